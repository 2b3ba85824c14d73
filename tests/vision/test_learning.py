"""Learning from review, on drawn images with networks that see colours, and on candidates made by hand."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from backend.vision.check import Sight
from backend.vision.evidence import FITTED
from backend.vision.learned import Learned, Lesson
from backend.vision.learning import Reviewed, folds, learn, looked_through, taught
from backend.vision.marked import NO_THING, Marked, MarkedView
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reference import Reference, build_reference
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.vision.made_by_hand import cues

OPTIONS = SearchOptions()
THING = (2, 4, 24, 24)


def image_of(
    places: Sequence[float], things: Sequence[int], *, label: str = "date", count: int = 1
) -> Marked:
    """Candidates that differ in their place only, far apart."""
    seen = cues(list(places))
    number = len(places)
    sight = Sight(
        candidates=(),
        owner=torch.zeros(number, dtype=torch.int),
        similarity=torch.zeros(number),
        log_area=torch.zeros(number),
        cues=seen,
        shared=torch.eye(number),
    )
    shown = torch.tensor(things)
    ious = (shown != NO_THING).float()
    return Marked({label: count}, (MarkedView(sight, seen, (label,) * number, shown, ious),))


SURE, DOUBTFUL = 1.5, 0.6  # the shipped weights accept both


def with_false_ones(images: int) -> list[Marked]:
    """What lies in a doubtful place was never right."""
    return [image_of([SURE] + [DOUBTFUL] * 30, [0] + [NO_THING] * 30) for _ in range(images)]


def test_mistakes_are_what_is_missed_and_what_is_false() -> None:
    """Of three things one is found, twice; one candidate shows nothing; another label has none of them."""
    image = image_of([SURE, SURE, DOUBTFUL], [0, 0, NO_THING], count=3)

    assert image.mistakes("date", Lesson(FITTED.second)) == 2 + 1
    assert image.mistakes("fig", Lesson(FITTED.second)) == 0


def test_what_people_delete_again_and_again_is_not_accepted_any_more() -> None:
    """Thirty false ones an image go, the right ones stay."""
    images = with_false_ones(4)

    lesson = taught(images, ["date"], OPTIONS)

    assert lesson is not None
    assert lesson.taste is None  # nothing was looked at
    assert [image.mistakes("date", Lesson(FITTED.second)) for image in images] == [30] * 4
    assert [image.mistakes("date", lesson) for image in images] == [0] * 4


def test_one_image_teaches_nothing() -> None:
    """There is no other to try it on."""
    assert taught(with_false_ones(1), ["date"], OPTIONS) is None


def test_what_would_have_saved_nothing_on_the_images_themselves_is_not_kept() -> None:
    """What is doubtful is false in one image and right in the other: neither teaches the other anything."""
    images = [
        image_of([SURE] + [DOUBTFUL] * 30, [0] + [NO_THING] * 30),
        image_of([SURE] + [DOUBTFUL] * 30, list(range(31)), count=31),
    ]

    assert taught(images, ["date"], OPTIONS) is None


def shown(models: Models, *boxes: tuple[int, int, int, int]) -> Reference:
    """One shot of red boxes."""
    image = drawn(*((*box, RED) for box in boxes))
    return build_reference(
        models.sam, models.semantic, image, [box_mask(*box) for box in boxes], label="date"
    )


def test_a_reference_is_not_asked_about_its_own_image() -> None:
    """With no other left, the image teaches nothing."""
    models = colour_models()
    image = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)}, own=frozenset({0}))

    assert looked_through(models, [shown(models, THING)], image, OPTIONS) is None


def test_only_the_labels_that_are_looked_for_in_an_image_teach_and_compete() -> None:
    """Both references show the same; the one of the other label would claim what the first one does."""
    models = colour_models()
    references = [shown(models, THING), replace(shown(models, THING), label="fig")]
    image = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)}, labels=frozenset({"date"}))

    found = looked_through(models, references, image, OPTIONS)

    assert found is not None
    assert found.counts == {"date": 1}
    assert {label for view in found.views for label in view.labels} == {"date"}
    assert looked_through(models, references[1:], image, OPTIONS) is None


def test_candidates_of_a_reviewed_image_know_their_thing() -> None:
    """The red box is the thing with number 1; the first one marked is nowhere to be seen."""
    models = colour_models()
    masks = (box_mask(30, 0, 4, 4), box_mask(*THING), box_mask(0, 0, 0, 0))

    found = looked_through(
        models, [shown(models, THING)], Reviewed(drawn((*THING, RED)), {"date": masks}), OPTIONS
    )

    assert found is not None
    assert found.counts == {"date": 2}  # an empty mask is no thing
    assert 1 in found.views[0].things.tolist()
    assert found.mistakes("date", Lesson(FITTED.second)) == 1


def test_learning_from_nothing_changes_nothing() -> None:
    """Neither without images nor with images that were right already."""
    models = colour_models()
    references = [shown(models, THING)]
    right = Reviewed(drawn((*THING, RED)), {"date": (box_mask(*THING),)})

    assert learn(models, references, [], options=OPTIONS) == Learned()
    assert learn(models, references, iter([right, right]), options=OPTIONS) == Learned()


def test_learned_weights_decide_in_the_search() -> None:
    """A lesson that rejects everything leaves nothing; what was rejected may have been missed."""
    models = colour_models()
    references, image = [shown(models, THING)], drawn((*THING, RED))
    never = Learned({"date": Lesson(replace(FITTED.second, bias=-30.0))})
    others = Learned({"fig": Lesson(replace(FITTED.second, bias=-30.0))})

    before, with_others, after = (
        find_instances(models, references, image, options=OPTIONS, learned=learned)
        for learned in (Learned(), others, never)
    )

    assert len(before.instances) == len(with_others.instances) == 1
    assert after.instances == ()
    assert 0 <= after.missed < 1e-6 <= before.instances[0].confidence


def looked_at(*vectors: tuple[float, ...], things: Sequence[int]) -> Marked:
    """Candidates in one place that differ in their looks only."""
    image = image_of([SURE] * len(vectors), things, count=len(things) - list(things).count(NO_THING))
    (view,) = image.views
    seen = replace(view, sight=replace(view.sight, vectors=torch.tensor(vectors)))
    return replace(image, views=(seen,))


def test_look_alikes_that_people_delete_are_told_by_their_looks() -> None:
    """Nothing else differs: with half of the candidates false, no other weight could help."""
    ripe, rotten = (0.9, 0.1, 0.0), (0.9, -0.1, 0.0)
    images = [looked_at(*[ripe] * 5, *[rotten] * 5, things=[*range(5), *[NO_THING] * 5]) for _ in range(3)]

    lesson = taught(images, ["date"], OPTIONS)

    assert lesson is not None
    assert lesson.taste is not None
    assert lesson.taste.weight > 0
    assert [image.mistakes("date", Lesson(FITTED.second)) for image in images] == [5] * 3
    assert [image.mistakes("date", lesson) for image in images] == [0] * 3


def test_a_loose_outline_is_work_too() -> None:
    """One is found well, one is found loosely, one loosely and well."""
    image = image_of([SURE] * 4, [0, 1, 2, 2], count=3)
    (view,) = image.views
    image = replace(image, views=(replace(view, ious=torch.tensor([0.9, 0.6, 0.6, 0.9])),))

    assert image.mistakes("date", Lesson(FITTED.second)) == 1
    assert image.views[0].rightness.tolist() == pytest.approx([1.0, 0.6, 0.6, 1.0])


def test_many_images_are_shared_out_to_five_folds() -> None:
    """Each is in one, and in none with all others."""
    assert [list(one) for one in folds(7)] == [[0, 5], [1, 6], [2], [3], [4]]
    assert [list(one) for one in folds(2)] == [[0], [1]]
