"""Which annotation teaches: each test names one rule."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import encode_rle
from backend.labelstudio.label_config import Control
from backend.labelstudio.references import Annotation, pick_references
from backend.labelstudio.regions import ONE_MASK

CONTROL = Control("brush", "photo", "image", ("Coin", "Nut"))
MASK = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


@dataclass
class Stored:
    """Annotations in the order of their creation; counts those that were looked at."""

    annotations: list[Annotation]
    read: int = 0

    def ground_truths(self) -> int:
        """As the protocol says."""
        return sum(each.ground_truth for each in self.annotations)

    def in_order(self) -> Iterator[Annotation]:
        """As the protocol says."""
        for annotation in self.annotations:
            self.read += 1
            yield annotation


def _region(label: str = "Coin", mask: NDArray[np.bool_] = MASK, **changes: Any) -> dict[str, Any]:
    height, width = mask.shape
    value = {"format": "rle", "rle": encode_rle(mask), "brushlabels": [label]}
    shared = {"id": f"{label}-region", "type": "brushlabels", "from_name": "brush", "to_name": "photo"}
    return {**shared, "original_height": height, "original_width": width, "value": value, **changes}


def _annotation(annotation_id: int, *result: dict[str, Any], **changes: Any) -> Annotation:
    fields: dict[str, Any] = {
        "id": annotation_id,
        "task_id": 100 + annotation_id,
        "task_data": {"image": f"/data/upload/1/{annotation_id}.png"},
        "result": result,
    }
    return Annotation(**{**fields, **changes})


def _picked(*annotations: Annotation) -> dict[str, int]:
    references = pick_references(Stored(list(annotations)), [CONTROL]).by_label
    return {label: reference.annotation_id for label, reference in references.items()}


def test_the_first_annotation_teaches() -> None:
    references = pick_references(Stored([_annotation(1, _region()), _annotation(2, _region())]), [CONTROL])

    reference = references.by_label["Coin"]
    assert (reference.annotation_id, reference.task_id, reference.region_ids) == (1, 101, ("Coin-region",))
    assert (reference.image_uri, reference.size_hw) == ("/data/upload/1/1.png", (3, 5))
    assert np.array_equal(reference.masks[0], MASK)
    assert references.reason == ""


@pytest.mark.parametrize("turned", [0, 1])
def test_of_a_list_of_images_one_that_is_turned_leaves_the_others_of_use(turned: int) -> None:
    """Whichever comes first; what the turned one would have taught is told."""
    control = replace(CONTROL, image_list=True)
    pages = [_region(item_index=item, image_rotation=90 * (item == turned)) for item in (0, 1)]
    annotation = _annotation(1, *pages, task_data={"image": ["/0.png", "/1.png"]})

    found = pick_references(Stored([annotation]), [control])

    reference = found.by_label["Coin"]
    assert (reference.image_uri, reference.item) == (f"/{1 - turned}.png", 1 - turned)
    assert bool(found.refusals) is (turned == 0)


def test_every_region_of_the_label_is_an_instance() -> None:
    references = pick_references(
        Stored([_annotation(1, _region(), _region(mask=~MASK), _region("Nut"))]), [CONTROL]
    )

    assert len(references.by_label["Coin"].masks) == 2
    assert len(references.by_label["Nut"].masks) == 1


def _two_labels(*labels: str) -> dict[str, Any]:
    region = _region()
    return {**region, "value": {**region["value"], "brushlabels": list(labels)}}


def test_a_region_with_two_labels_teaches_the_first_and_the_other_ones_lack_is_told() -> None:
    """Both from one mask would compete for each object, and one of them win all."""
    stored = Stored([_annotation(5, _two_labels("Nut", "Coin")), _annotation(6, _two_labels("Coin", "Nut"))])

    found = pick_references(stored, [CONTROL])

    assert {label: each.annotation_id for label, each in found.by_label.items()} == {"Coin": 5}
    (told,) = found.refusals
    assert told.startswith("annotation 5 of task 105 for 'Nut': a region has the labels 'Coin' and 'Nut'; ")
    assert told.endswith("so it teaches 'Coin' alone")


def test_a_second_label_that_has_a_reference_of_its_own_is_no_matter() -> None:
    found = pick_references(
        Stored([_annotation(1, _two_labels("Coin", "Nut")), _annotation(2, _region("Nut"))]), [CONTROL]
    )

    assert {label: each.annotation_id for label, each in found.by_label.items()} == {"Coin": 1, "Nut": 2}
    assert found.refusals == ()


def test_a_second_label_in_a_review_is_no_reference_either() -> None:
    review = _annotation(2, _two_labels("Coin", "Nut"), parent_prediction=9)

    found = pick_references(Stored([_annotation(1, _region())]), [CONTROL], reviews=[review])

    assert list(found.by_label) == ["Coin"]
    assert found.refusals[0].startswith("annotation 2 of task 102 for 'Nut': ")


def test_each_label_has_the_first_annotation_that_shows_it() -> None:
    """In the config's order, whatever the order of the annotations."""
    picked = _picked(_annotation(1, _region("Nut")), _annotation(2, _region("Coin")))

    assert list(picked.items()) == [("Coin", 2), ("Nut", 1)]


def test_a_ground_truth_star_wins() -> None:
    assert _picked(_annotation(1, _region()), _annotation(2, _region(), ground_truth=True)) == {"Coin": 2}


@pytest.mark.parametrize(
    "passed_over",
    [
        _annotation(1, _region(), was_cancelled=True),
        _annotation(1, _region(), parent_prediction=9),
        _annotation(1, _region(origin="prediction")),
        _annotation(1, _region(origin="prediction"), ground_truth=True),
        _annotation(1, _region(mask=np.zeros((3, 5), bool))),
        _annotation(1, _region("Button")),
        _annotation(1),
    ],
    ids=[
        "cancelled",
        "accepted prediction",
        "predicted",
        "starred prediction",
        "empty mask",
        "other label",
        "no region",
    ],
)
def test_what_a_person_did_not_paint_does_not_teach(passed_over: Annotation) -> None:
    assert _picked(passed_over, _annotation(2, _region())) == {"Coin": 2}


def test_a_rotated_region_is_refused_with_the_reason_and_the_next_annotation_teaches() -> None:
    references = pick_references(
        Stored([_annotation(1, _region(image_rotation=90)), _annotation(2, _region())]), [CONTROL]
    )

    assert references.by_label["Coin"].annotation_id == 2
    assert "annotation 1 of task 101" in references.refusals[0]
    assert "turned by 90 degrees" in references.refusals[0]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_annotation(1, _region(original_width=6)), "6 x 3 pixels"),
        (_annotation(1, _region(), _region(mask=MASK.T)), "masks of one size"),
        (
            _annotation(1, _region(), task_data={"picture": "x.png"}),
            "under 'image' in the task's data, got None",
        ),
    ],
)
def test_why_there_is_none_is_told(broken: Annotation, message: str) -> None:
    references = pick_references(Stored([broken]), [CONTROL])

    assert references.by_label == {}
    assert message in references.reason


def test_without_annotations_the_reason_says_what_to_paint() -> None:
    assert (
        "paint one object with the brush 'brush' (Coin, Nut)" in pick_references(Stored([]), [CONTROL]).reason
    )


def test_labels_that_the_label_config_no_longer_has_are_told_with_an_example_of_each() -> None:
    """They were renamed, or given an alias: people see masks, and wonder. Of thousands a few will do."""
    annotations = [
        _annotation(number, _region(label))
        for number, label in enumerate(["Penny", "Penny", "Bolt", "Penny", "Screw", "Cog", "Gear"], start=1)
    ]

    reason = pick_references(Stored(annotations), [CONTROL]).reason

    assert reason == (
        "annotation 1 of task 101 has the label 'Penny', annotation 3 of task 103 has the label 'Bolt', "
        "annotation 5 of task 105 has the label 'Screw', which the label config no longer has (an alias "
        "counts as the name): paint one object with a label of the config, or give the label its old name "
        "back, as an alias"
    )


@pytest.mark.parametrize(("later", "told"), [("Coin", True), ("Nut", False)])
def test_a_label_of_old_is_told_as_long_as_one_of_the_config_has_no_reference(
    later: str, *, told: bool
) -> None:
    """Then that may be its new name; else it was given up."""
    stored = Stored([_annotation(1, _region("Penny"), _region("Coin")), _annotation(2, _region(later))])

    refusals = pick_references(stored, [CONTROL]).refusals

    assert [each.startswith("annotation 1 of task 101 has the label 'Penny'") for each in refusals] == (
        [True] if told else []
    )


def test_a_label_of_old_beside_one_of_now_is_no_matter() -> None:
    found = pick_references(Stored([_annotation(1, _two_labels("Penny", "Coin"))]), [CONTROL])

    assert (list(found.by_label), found.refusals) == (["Coin"], ())


def test_annotations_that_turned_out_useless_are_passed_over() -> None:
    stored = Stored([_annotation(1, _region()), _annotation(2, _region())])

    assert pick_references(stored, [CONTROL], passed_over={1}).by_label["Coin"].annotation_id == 2


def test_no_more_annotations_are_read_than_needed() -> None:
    """Projects may have thousands, and each is a download."""
    stored = Stored([_annotation(each, _region(), _region("Nut")) for each in range(1, 20)])

    pick_references(stored, [CONTROL])

    assert stored.read == 1


def test_all_are_read_for_a_label_that_nobody_painted() -> None:
    stored = Stored([_annotation(each, _region()) for each in range(1, 20)])

    assert pick_references(stored, [CONTROL]).by_label["Coin"].annotation_id == 1
    assert stored.read == 19


def test_stars_are_looked_for_until_every_label_has_one_or_none_is_left() -> None:
    """Label Studio stars every imported annotation: the first must end the search."""
    both = [_annotation(each, _region(), _region("Nut"), ground_truth=True) for each in range(1, 20)]
    late = [
        _annotation(1, _region(), _region("Nut")),
        _annotation(2),
        _annotation(3, _region(), ground_truth=True),
    ]
    imported, painted = Stored(both), Stored([*late, _annotation(4, _region(), _region("Nut"))])

    pick_references(imported, [CONTROL])
    picked = pick_references(painted, [CONTROL]).by_label

    assert imported.read == 1
    assert painted.read == 3
    assert (picked["Coin"].annotation_id, picked["Nut"].annotation_id) == (3, 1)


def test_the_first_of_two_stars_wins() -> None:
    first, second = (_annotation(each, _region(), ground_truth=True) for each in (2, 3))

    assert _picked(_annotation(1, _region()), first, second) == {"Coin": 2}


def test_a_star_on_a_reviewed_prediction_makes_it_the_reference_with_all_that_was_left_in_it() -> None:
    """The star says that every region is right, also one that the model drew. A skipped task says nothing."""
    left = _region(origin="prediction")
    review = _annotation(2, left, _region(mask=~MASK), parent_prediction=9, ground_truth=True)

    picked = pick_references(Stored([_annotation(1, _region()), review]), [CONTROL]).by_label

    assert (picked["Coin"].annotation_id, len(picked["Coin"].masks)) == (2, 2)
    assert _picked(_annotation(1, _region()), replace(review, was_cancelled=True)) == {"Coin": 1}


def test_one_mask_of_many_things_is_no_reference() -> None:
    merged = _region(meta={"text": [f"they became {ONE_MASK} 'Coin'"]})
    review = _annotation(2, merged, parent_prediction=9, ground_truth=True)

    references = pick_references(Stored([_annotation(1, _region()), review]), [CONTROL])

    assert references.by_label["Coin"].annotation_id == 1
    assert "one that holds many" in references.refusals[0]


def test_further_stars_are_references_too_up_to_a_bound() -> None:
    """Of each label as many; no more annotations are read than that takes."""
    starred = [_annotation(each, _region(), ground_truth=True) for each in (2, 3, 4, 5)]
    nut = _annotation(1, _region("Nut"), ground_truth=True)
    stored = Stored([nut, *starred, _annotation(6, _region("Nut"), ground_truth=True)])

    picked = pick_references(stored, [CONTROL], most_starred=2)

    assert {label: each.annotation_id for label, each in picked.by_label.items()} == {"Coin": 2, "Nut": 1}
    assert [(each.label, each.annotation_id) for each in picked.more] == [("Coin", 3), ("Nut", 6)]
    assert pick_references(stored, [CONTROL]).more == ()
    both = Stored([_annotation(each, _region(), _region("Nut"), ground_truth=True) for each in range(1, 9)])
    assert [each.annotation_id for each in pick_references(both, [CONTROL], most_starred=3).more] == [
        2,
        2,
        3,
        3,
    ]
    assert both.read == 3


BOX = Control("box", "photo", "image", ("Coin", "Nut"), "rectangle")
BEHIND = Control("brush", "back", "behind", ("Coin", "Nut"))


def _box(label: str) -> dict[str, Any]:
    value = {"x": 20, "y": 0, "width": 40, "height": 66.6667, "rectanglelabels": [label]}
    return _region(label) | {"type": "rectanglelabels", "from_name": "box", "value": value}


def test_any_control_teaches_and_the_reference_says_which() -> None:
    picked = pick_references(Stored([_annotation(1, _box("Nut"), _region("Coin"))]), [BOX, CONTROL]).by_label

    assert {label: reference.control for label, reference in picked.items()} == {"Coin": CONTROL, "Nut": BOX}
    assert np.array_equal(picked["Nut"].masks[0], MASK)


TWO = {"image": "/front.png", "behind": "/back.png"}


def test_each_label_is_learned_from_the_image_that_its_regions_are_on() -> None:
    """The images are of different sizes; each reference has the address of its own."""
    back = MASK.T.copy()
    annotation = _annotation(1, _region("Nut", back, to_name="back"), _region("Coin"), task_data=TWO)

    picked = pick_references(Stored([annotation]), [CONTROL, BEHIND]).by_label

    assert {label: (each.image_uri, each.size_hw) for label, each in picked.items()} == {
        "Coin": ("/front.png", (3, 5)),
        "Nut": ("/back.png", (5, 3)),
    }
    assert np.array_equal(picked["Nut"].masks[0], back)
    assert picked["Nut"].control == BEHIND


def test_of_a_label_on_two_images_the_one_that_was_drawn_on_first_teaches() -> None:
    """Masks of different sizes are never mixed."""
    there, here = _region("Nut", MASK.T.copy(), to_name="back"), _region("Nut")

    first = pick_references(Stored([_annotation(1, there, here, task_data=TWO)]), [CONTROL, BEHIND])
    second = pick_references(Stored([_annotation(1, here, there, task_data=TWO)]), [CONTROL, BEHIND])

    assert [(each.image_uri, len(each.masks)) for each in first.by_label.values()] == [("/back.png", 1)]
    assert [(each.image_uri, len(each.masks)) for each in second.by_label.values()] == [("/front.png", 1)]
    assert first.refusals == second.refusals == ()


PAGES = Control("brush", "photo", "pages", ("Coin", "Nut"), image_list=True)


def test_of_a_label_on_several_images_of_a_list_the_one_that_was_drawn_on_first_teaches() -> None:
    """Its address is the one in that place of the list; the next label may be on another image."""
    data = {"pages": ["/1.png", "/2.png", "/3.png"]}
    regions = [
        _region("Coin", MASK.T.copy(), item_index=2),
        _region("Coin", item_index=1),
        _region("Nut", item_index=1),
        _region("Coin", MASK.T.copy(), item_index=2, id="another"),
    ]

    picked = pick_references(Stored([_annotation(1, *regions, task_data=data)]), [PAGES]).by_label

    assert {label: (each.image_uri, each.item, len(each.masks)) for label, each in picked.items()} == {
        "Coin": ("/3.png", 2, 2),
        "Nut": ("/2.png", 1, 1),
    }
    assert picked["Coin"].image_key == "pages[2]"


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (["/1.png"], "the address of an image under 'pages[1]' in the task's data, got None"),
        ("/1.png", "a list of images' addresses under 'pages' in the task's data, got '/1.png'"),
    ],
)
def test_a_mask_on_an_image_that_the_list_does_not_have_is_passed_over_with_the_reason(
    pages: object, told: str
) -> None:
    annotation = _annotation(1, _region(item_index=1), task_data={"pages": pages})

    picked = pick_references(Stored([annotation]), [PAGES])

    assert not picked.by_label
    assert f"annotation 1 of task 101: expected {told}" in picked.reason


def test_labels_of_a_tasks_data_teach_and_end_the_search_some_time() -> None:
    control = Control("brush", "photo", "image", (), labels_key="things")
    data = {"image": "/x.png", "things": [{"value": "Cola"}]}
    stored = Stored([_annotation(each, _region("Cola"), task_data=data) for each in range(1, 400)])

    picked = pick_references(stored, [control]).by_label

    assert (list(picked), picked["Cola"].annotation_id) == (["Cola"], 1)
    assert stored.read == 202
    assert pick_references(Stored([_annotation(1, _region("Cola"))]), [control]).by_label == {}


def test_what_was_drawn_in_a_review_teaches_the_labels_that_nothing_else_teaches() -> None:
    """Not the regions that the model predicted, and not a label that was painted from scratch."""
    painted = _annotation(1, _region("Coin"))
    review = _annotation(2, _region("Coin"), _region("Nut"), parent_prediction=9)
    accepted = _annotation(3, _region("Nut", origin="prediction"), parent_prediction=9)

    def taught(*reviews: Annotation, passed_over: frozenset[int] = frozenset()) -> dict[str, int]:
        found = pick_references(Stored([painted]), [CONTROL], reviews=reviews, passed_over=passed_over)
        return {label: reference.annotation_id for label, reference in found.by_label.items()}

    assert taught(accepted, review) == {"Coin": 1, "Nut": 2}
    assert taught(accepted) == {"Coin": 1}
    assert taught(review, passed_over=frozenset({2})) == {"Coin": 1}
