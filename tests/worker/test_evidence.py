"""Which reviews teach, and what they show."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.jobs.generations import Wishes
from backend.labelstudio.annotations import ProjectAnnotations
from backend.labelstudio.errors import RegionError, StorageFailedError
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import DecodedImage, ImageLimits
from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import SearchedImage
from backend.labelstudio.references import Annotation
from backend.labelstudio.regions import ScoredMask, prediction
from backend.worker.evidence import (
    Evidence,
    Images,
    drawn_things,
    due,
    gathered,
    next_due,
    reviewed_images,
    things,
)
from backend.worker.learning_options import LearningOptions
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import TOKEN, FakeLabelStudio, region

BRUSH = Control("label", "image", "image", ("Coin", "Nut"))
IMAGE = ("image", None)
BOXES = Control("boxes", "image", "image", ("Coin",), "rectangle")
ROUND = Control("round", "image", "image", ("Coin",), "ellipse")
BEHIND = Control("label", "behind", "behind", ("Coin",))
AUTO, MANUAL, NEVER = (LearningOptions(mode=mode) for mode in ("auto", "manual", "never"))


def painted(mask: NDArray[np.bool_] | None = None, **extra: Any) -> dict[str, Any]:
    """A region that a person left as it was predicted."""
    return region(disc_mask() if mask is None else mask) | {"origin": "prediction"} | extra


def review(*regions: Mapping[str, Any], task: int = 1, data: Mapping[str, Any] | None = None) -> Annotation:
    """An annotation made from a prediction."""
    return Annotation(7, task, data or {"image": "/data/upload/7/1.png"}, tuple(regions), parent_prediction=3)


def shown(annotation: Annotation, controls: Sequence[Control]) -> dict[str, tuple[NDArray[np.bool_], ...]]:
    """What it shows on the image."""
    return things(
        drawn_things(annotation, controls, IMAGE), DecodedImage.whole(disc(SIZE_HW)), colour_models().sam
    )


def test_one_review_teaches_then_two_four_and_eight() -> None:
    """In between nothing is learned anew: a run over all tasks must be worth it."""
    assert [due(count, Wishes(), AUTO) for count in range(10)] == [0, 1, 2, 2, 4, 4, 4, 4, 8, 8]


def test_on_demand_all_teach_and_no_fewer_later() -> None:
    assert due(7, Wishes(asked="now"), AUTO) == 7
    assert [due(count, Wishes(count=7), AUTO) for count in (7, 8, 9, 5)] == [7, 8, 8, 5]


def test_manual_waits_for_the_demand_and_never_means_never() -> None:
    assert [due(5, wishes, MANUAL) for wishes in (Wishes(), Wishes(asked="now"), Wishes(count=3))] == [
        0,
        5,
        3,
    ]
    assert due(5, Wishes(asked="now", count=3), NEVER) == 0


@given(st.integers(0, 10_000))
def test_the_number_of_reviews_that_is_missing_is_the_one_that_changes_what_is_due(reviewed: int) -> None:
    missing = next_due(reviewed, AUTO)

    assert missing is not None
    assert due(reviewed + missing, Wishes(), AUTO) > due(reviewed + missing - 1, Wishes(), AUTO)
    assert due(reviewed + missing - 1, Wishes(), AUTO) == due(reviewed, Wishes(), AUTO)
    assert next_due(reviewed, MANUAL) is None


class Reviews:
    """Annotations beside predictions of ours, each on a task of its own; those of *none* are no reviews."""

    def __init__(self, *ids: int, none: Sequence[int] = ()) -> None:
        self.left, self.none, self.downloaded = list(ids), set(none), list[int]()

    def after_predictions(self, version: str) -> dict[int, int]:  # noqa: ARG002 - all are of ours
        """As ``ProjectAnnotations`` gives them."""
        return {each: each for each in self.left}

    def named(self, annotations: Mapping[int, int]) -> list[Annotation]:
        """As ``ProjectAnnotations`` gives them."""
        self.downloaded += annotations
        self.left = [each for each in self.left if each not in self.none.intersection(annotations)]
        return [
            Annotation(each, each, {}, (), parent_prediction=None if each in self.none else 1)
            for each in annotations
        ]

    def gathered(self, **options: Any) -> Evidence:
        """What is learned from."""
        return gathered(cast("ProjectAnnotations", self), Wishes(), LearningOptions(**options))


def test_annotations_that_are_no_reviews_use_up_no_generation() -> None:
    """Four from scratch beside a prediction, then three reviews: two of them are due."""
    evidence = Reviews(1, 2, 3, 4, 5, 6, 7, none=[1, 2, 3, 4]).gathered()

    assert (evidence.reviewed, evidence.ids) == (3, (5, 6))


def test_thousands_that_nobody_looked_at_do_not_push_out_what_was_corrected() -> None:
    """Eight corrections, then 500 predictions made annotations in bulk: of these it is not asked twice."""
    bulk = range(100, 600)

    reviews = Reviews(*range(1, 9), *bulk, none=bulk)
    evidence = reviews.gathered(max_evidence=4)

    assert (evidence.ids, evidence.seen) == ((5, 6, 7, 8), 8)
    assert len(set(reviews.downloaded)) == len(reviews.downloaded)
    reviews.downloaded.clear()
    assert reviews.gathered(max_evidence=4).ids == (5, 6, 7, 8)
    assert reviews.downloaded == [5, 6, 7, 8]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 8))
def test_what_teaches_are_the_first_so_many_reviews(reviews: list[bool], most: int) -> None:
    """As if the others were not there; each is downloaded no oftener than it is looked at."""
    ids = range(1, len(reviews) + 1)
    true = [number for number, is_review in zip(ids, reviews, strict=True) if is_review]

    evidence = Reviews(*ids, none=sorted(set(ids) - set(true))).gathered(max_evidence=max(most, 40))

    assert list(evidence.ids) == true[: due(len(true), Wishes(), AUTO)]


def test_what_was_left_and_what_was_drawn_are_things_of_their_labels() -> None:
    other = np.roll(disc_mask(), 20, axis=1)
    drawn = region(other)
    drawn["value"]["brushlabels"] = ["Nut"]

    found = shown(review(painted(), drawn), [BRUSH])

    assert {label: [mask.sum() for mask in masks] for label, masks in found.items()} == {
        "Coin": [disc_mask().sum()],
        "Nut": [other.sum()],
    }


def test_a_thing_with_two_labels_shows_the_first_alone() -> None:
    """A prediction would have one, so that the other would be missing for ever."""
    drawn = painted()
    drawn["value"]["brushlabels"] = ["Nut", "Coin"]

    assert list(shown(review(drawn), [BRUSH])) == ["Coin"]


def test_a_thing_in_several_parts_is_one() -> None:
    """As polygons it was predicted in two."""
    outline = Control("outline", "image", "image", ("Coin",), "polygon")
    mask = disc_mask() | np.roll(disc_mask(), 30, axis=1)
    regions = prediction(1, "v", {"Coin": outline}, SIZE_HW, [ScoredMask("Coin", mask, 0.5)], tolerance=0)

    found = shown(review(*regions["result"]), [outline])

    assert [each.tolist() for each in found["Coin"]] == [mask.tolist()]


def test_an_image_that_a_person_left_empty_shows_nothing() -> None:
    assert shown(review(), [BRUSH]) == {}


def test_things_on_another_image_of_the_task_are_none_of_this_one() -> None:
    assert shown(review(painted(to_name="behind")), [BEHIND]) == {}


@pytest.mark.parametrize(
    ("drawn", "controls", "why"),
    [
        (
            painted(meta={"text": ["500 painted regions ..., they became one mask of all 'Coin'"]}),
            [BRUSH],
            "many",
        ),
        (painted(image_rotation=90), [BRUSH], "turned"),
        (painted(disc_mask((20, 20))), [BRUSH], "masks of the image's"),
    ],
)
def test_what_does_not_show_one_thing_of_the_image_teaches_nothing(
    drawn: dict[str, Any], controls: list[Control], why: str
) -> None:
    with pytest.raises(RegionError, match=why):
        shown(review(drawn), controls)


@pytest.mark.parametrize(
    ("control", "value"),
    [
        (BOXES, {"x": 25, "y": 10, "width": 50, "height": 80}),
        (ROUND, {"x": 50, "y": 50, "radiusX": 40, "radiusY": 45}),
    ],
)
def test_of_a_box_or_an_ellipse_the_thing_inside_counts(control: Control, value: dict[str, float]) -> None:
    """What was drawn around it is larger; the image is 40 x 64."""
    thing = (8, 20, 24, 24)
    drawn_around = painted(
        np.ones((40, 64), np.bool_), type=control.type, from_name=control.from_name,
        value={**value, "rotation": 0, control.type: ["Coin"]},
    )  # fmt: skip

    found = things(
        drawn_things(review(drawn_around), [control], IMAGE),
        DecodedImage.whole(drawn((*thing, RED))),
        colour_models().sam,
    )

    assert np.array_equal(found["Coin"][0], box_mask(*thing))


def test_what_is_on_an_image_of_reduced_size_is_reduced_as_well() -> None:
    """Every pixel shows 2 x 2 of the image; masks have the image's own."""
    image = DecodedImage(np.zeros((20, 30, 3), np.uint8), (40, 59))
    shown = box_mask(8, 20, 16, 24, size_hw=(40, 59))
    regions = list(drawn_things(review(painted(shown)), [BRUSH], IMAGE))

    found = things(regions, image, colour_models().sam)

    assert np.array_equal(found["Coin"][0], box_mask(4, 10, 8, 12, size_hw=(20, 30)))


@pytest.fixture
def images(fake: FakeLabelStudio) -> Images:
    """Gets what the fake Label Studio holds."""
    limits = ImageLimits(max_side=4000)
    fetcher = ImageFetcher(fake.url, lambda: f"Token {TOKEN}", limits=limits, timeout_s=5)
    return Images(fetcher, SearchedImage("image", "image", {"Coin": BRUSH}), colour_models().sam)


def test_one_bad_image_is_told_and_stops_nothing(fake: FakeLabelStudio, images: Images) -> None:
    """Gone, broken, none at all, another size than the mask: the last one is fine."""
    fake.files["/data/upload/7/broken.png"] = b"no image"
    small = review(painted(disc_mask((20, 20))))
    bad = [
        replace(review(painted()), id=number, task_data={"image": address})
        for number, address in enumerate(["/data/upload/7/gone.png", "/data/upload/7/broken.png", None])
    ]
    evidence, refusals = Evidence(5, (*bad, small, review(painted(), task=2))), list[str]()

    steps: list[int] = []
    found = list(
        reviewed_images(
            *(evidence, [BRUSH], images, refusals),
            own=lambda task, _: frozenset({task}),
            step=lambda: steps.append(1),
        )
    )

    assert [(each.own, each.labels) for each in found] == [(frozenset({2}), frozenset({"Coin"}))]
    assert np.array_equal(found[0].image, disc(SIZE_HW))
    assert (len(refusals), len(steps)) == (4, 5)
    assert all("teaches no corrections" in refusal for refusal in refusals)


def test_an_image_that_its_storage_does_not_give_is_passed_over(
    images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be gone for good: the others teach all the same, each under a name of its own."""
    fetch = images.fetcher.image

    def from_storage(uri: str, *, task_id: int) -> DecodedImage:
        if task_id == 1:
            raise StorageFailedError("its storage does not give it the image")
        return fetch(uri, task_id=task_id)

    monkeypatch.setattr(images.fetcher, "image", from_storage)
    reviews = tuple(replace(review(painted(), task=task), id=5 + task) for task in (1, 2))
    refusals: list[str] = []

    found = list(
        reviewed_images(
            *(Evidence(2, reviews), [BRUSH], images, refusals),
            own=lambda *_: frozenset(),
            step=lambda: None,
        )
    )

    assert [each.key for each in found] == [(7, "image")]
    assert len(refusals) == 1


def test_two_reviews_of_one_task_show_the_same_image(images: Images) -> None:
    """Under names of their own."""
    reviews = (
        review(painted()),
        replace(review(), id=8),
        review(task=2, data={"image": "/data/upload/7/2.png"}),
    )

    found = list(
        reviewed_images(
            *(Evidence(3, reviews), [BRUSH], images, []), own=lambda *_: frozenset(), step=lambda: None
        )
    )

    assert [each.image_id for each in found] == [f"/data/upload/7/{number}.png" for number in (1, 1, 2)]
    assert found[0].key != found[1].key


def test_only_what_changes_what_is_learned_changes_the_digest() -> None:
    """Ids and scores of regions, and their order, teach nothing; what is drawn, where and on what does."""

    def content(*regions: Mapping[str, Any], **fields: Any) -> str:
        return json.dumps(Evidence(1, (replace(review(*regions), **fields),)).content())

    nut = region(np.roll(disc_mask(), 9, axis=1))
    usual = content(painted(), nut)

    assert content(nut, painted(id="another1", score=0.9)) == usual
    assert content(painted()) != usual
    assert content(painted(), region(np.roll(disc_mask(), 10, axis=1))) != usual
    assert content(painted(), nut, id=8) != usual
    assert content(painted(), nut, task_data={"image": "/data/upload/7/2.png"}) != usual
    assert content(painted(item_index=1), nut) != usual
    assert content(painted(item_index=0), nut) == usual  # as the editor may call the only image


def test_of_the_images_of_long_lists_those_drawn_on_teach_and_of_these_the_last(images: Images) -> None:
    """A bound on images; each review may have one in any case."""
    control = replace(BRUSH, image_list=True)
    data = {"image": [f"/{number}.png" for number in range(4)]}
    reviews = tuple(
        replace(review(*(painted(item_index=item) for item in on), data=data), id=number)
        for number, on in enumerate([(0, 3), (1,)], start=1)
    )

    def taught(limit: int) -> list[tuple[int, int | None]]:
        lists = replace(images, searched=SearchedImage("image", "image", {"Coin": control}), limit=limit)
        return [(annotation.id, image.item) for annotation, image in lists.of_each(Evidence(2, reviews))]

    assert taught(8) == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert taught(4) == [(1, 0), (1, 3), (2, 1), (2, 3)]
    assert taught(1) == [(1, 3), (2, 1)]
