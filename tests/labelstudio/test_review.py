"""What a person changed in a prediction, on an image of 4 x 10 pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import Control
from backend.labelstudio.region_values import mask_values
from backend.labelstudio.regions import ScoredMask, prediction
from backend.labelstudio.review import Review, compare

SIZE = (4, 10)
BRUSH = Control("brush", "photo", "image", ("Coin", "Nut"))
OTHER_IMAGE = Control("side", "profile", "image", ("Coin", "Nut"))
GENERIC = Control("paint", "photo", "image", ("Coin", "Nut"), labels_name="names")


def box(left: int, right: int, rows: int = 4) -> NDArray[np.bool_]:
    """Columns from *left* up to *right* of the first *rows*."""
    mask = np.zeros(SIZE, bool)
    mask[:rows, left:right] = True
    return mask


def predicted(*instances: tuple[str, NDArray[np.bool_]], control: Control = BRUSH) -> list[dict[str, Any]]:
    """A prediction's result, with the ids ``predicted-0`` and so on in place of random ones."""
    scored = [ScoredMask(label, mask, 0.5) for label, mask in instances]
    result = prediction(1, "v", dict.fromkeys(control.labels, control), SIZE, scored)["result"]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(each["id"] for each in result))}
    return [{**each, "id": f"predicted-{numbers[each['id']]}"} for each in result]


def painted(
    mask: NDArray[np.bool_], label: str = "Coin", *, region_id: str = "new", **changes: Any
) -> dict[str, Any]:
    """A region as a person paints it; with the id of a predicted one as they change that."""
    (region,) = predicted((label, mask))
    return {**region, "id": region_id, "origin": "manual", **changes}


def outcomes(
    before: Sequence[dict[str, Any]],
    after: Sequence[dict[str, Any]],
    *controls: Control,
) -> list[tuple[str, str, str, float | None]]:
    """Label, outcome, id and IoU of each region."""
    review = Review(1, {}, 2, 3, "v", tuple(before), tuple(after))
    return [
        (each.label, each.outcome, each.region_id, each.iou) for each in compare(review, controls or [BRUSH])
    ]


def test_what_was_submitted_as_it_was_predicted_is_kept() -> None:
    """It is not even decoded: what cannot be decoded, but was not touched, is kept."""
    before = predicted(("Coin", box(0, 4)), ("Nut", box(5, 9)))
    before[1]["value"]["rle"] = [1, 2, 3]

    assert outcomes(before, before) == [("Coin", "kept", "predicted-0", 1), ("Nut", "kept", "predicted-1", 1)]


def test_a_changed_outline_is_redrawn_and_a_retouched_one_kept() -> None:
    before = predicted(("Coin", box(0, 5)))
    touched = box(0, 5)
    touched[0, 0] = False

    for mask, outcome, iou in ((box(0, 4), "redrawn", 0.8), (touched, "kept", 0.95)):
        after = [painted(mask, region_id="predicted-0", origin="prediction-changed")]
        assert outcomes(before, after) == [("Coin", outcome, "predicted-0", iou)]


def test_a_region_that_kept_its_id_is_the_same_thing_wherever_it_went() -> None:
    """It was moved: one thing to do, not a deleted and an added one."""
    after = [painted(box(6, 10), region_id="predicted-0")]

    assert outcomes(predicted(("Coin", box(0, 4))), after) == [("Coin", "redrawn", "predicted-0", 0)]


def test_a_deleted_region_that_was_painted_anew_is_redrawn_if_it_is_alike() -> None:
    before = predicted(("Coin", box(0, 4)))

    assert outcomes(before, [painted(box(0, 3))]) == [("Coin", "redrawn", "new", 0.75)]
    assert outcomes(before, [painted(box(3, 7))]) == [
        ("Coin", "deleted", "predicted-0", None),
        ("Coin", "added", "new", None),
    ]


def test_a_second_label_that_a_person_gave_is_added_and_the_first_is_kept() -> None:
    """It was work, and no prediction would have spared it."""
    before = predicted(("Coin", box(0, 4)))
    both = {**before[0], "value": {**before[0]["value"], "brushlabels": ["Coin", "Nut"]}}

    assert outcomes(before, [both]) == [
        ("Coin", "kept", "predicted-0", 1),
        ("Nut", "added", "predicted-0", None),
    ]


def test_anew_painted_regions_are_paired_for_the_largest_sum() -> None:
    """The best pair alone (1-6 with 1-5: 0.8) would leave the two others without a partner."""
    before = predicted(("Coin", box(0, 4)), ("Coin", box(1, 6)))
    after = [painted(box(1, 5), region_id="one"), painted(box(3, 7), region_id="two")]

    assert outcomes(before, after) == [
        ("Coin", "redrawn", "one", 0.6),
        ("Coin", "redrawn", "two", 0.5),
    ]


def test_another_label_is_one_thing_deleted_and_another_added() -> None:
    after = [painted(box(0, 4), "Nut", region_id="predicted-0")]

    assert outcomes(predicted(("Coin", box(0, 4))), after) == [
        ("Coin", "deleted", "predicted-0", None),
        ("Nut", "added", "predicted-0", None),
    ]


def test_a_region_that_was_erased_to_nothing_is_deleted() -> None:
    after = [painted(box(0, 4), region_id="predicted-0")]
    after[0]["value"] = {**mask_values("brush", box(0, 0), tolerance=0)[0], "brushlabels": ["Coin"]}

    assert outcomes(predicted(("Coin", box(0, 4))), after) == [("Coin", "deleted", "predicted-0", None)]


def test_labels_in_a_control_of_their_own_are_found() -> None:
    before = predicted(("Coin", box(0, 4)), ("Nut", box(5, 9)), control=GENERIC)

    assert outcomes(before, before[2:], GENERIC) == [
        ("Coin", "deleted", "predicted-0", None),
        ("Nut", "kept", "predicted-1", 1),
    ]


@pytest.mark.parametrize("geometry", ["bitmask", "polygon", "rectangle", "ellipse"])
def test_masks_are_compared_whatever_they_were_drawn_with(geometry: Any) -> None:
    """A person replaces a shape by a brush mask of the same half of the image."""
    control = Control("shape", "photo", "image", ("Coin",), geometry=geometry)
    before = predicted(("Coin", box(0, 5)), control=control)

    ((_, outcome, _, iou),) = outcomes(before, [painted(box(0, 5))], control, BRUSH)

    assert outcome == ("redrawn" if geometry == "ellipse" else "kept")
    assert iou is not None
    assert iou > 0.7


def test_an_object_in_several_parts_is_one_thing() -> None:
    """Polygons of 16 and 8 pixels were predicted of it: kept, one of them deleted, painted anew, all gone."""
    control = Control("shape", "photo", "image", ("Coin",), geometry="polygon")
    whole = [ScoredMask("Coin", box(0, 4) | box(6, 8), 0.5)]
    before = prediction(1, "v", {"Coin": control}, SIZE, whole)["result"]
    first, second = before

    assert outcomes(before, before, control) == [("Coin", "kept", first["id"], 1)]
    assert outcomes(before, [first], control) == [("Coin", "redrawn", first["id"], 16 / 24)]
    assert outcomes(before, [second], control) == [("Coin", "redrawn", second["id"], 8 / 24)]
    assert outcomes(before, [painted(box(0, 4) | box(6, 8))], control, BRUSH) == [("Coin", "kept", "new", 1)]
    assert outcomes(before, [], control) == [("Coin", "deleted", first["id"], None)]


def test_regions_of_several_images_are_compared_image_by_image() -> None:
    """The same box on the other image is another thing; one that nobody predicted there was added."""
    before = predicted(("Coin", box(0, 4)))
    beside = painted(box(0, 4), from_name="side", to_name="profile")
    other = {**before[0], "from_name": "side", "to_name": "profile", "id": "predicted-1"}

    assert outcomes(before, [*before, beside], BRUSH, OTHER_IMAGE) == [
        ("Coin", "kept", "predicted-0", 1),
        ("Coin", "added", "new", None),
    ]
    assert outcomes([*before, other], [beside], BRUSH, OTHER_IMAGE) == [
        ("Coin", "deleted", "predicted-0", None),
        ("Coin", "kept", "new", 1),
    ]


def test_the_images_of_a_list_are_compared_each_with_itself() -> None:
    """The same mask on another image is another thing, though it has the same place there."""
    pages = Control("brush", "photo", "pages", ("Coin",), image_list=True)
    (first,) = predicted(("Coin", box(0, 4)))
    second = first | {"id": "predicted-1", "item_index": 1}

    found = outcomes(
        [first, second],
        [first | {"item_index": 0}, painted(box(0, 4), item_index=2)],
        pages,
    )

    assert found == [
        ("Coin", "kept", "predicted-0", 1),
        ("Coin", "deleted", "predicted-1", None),
        ("Coin", "added", "new", None),
    ]


def test_an_empty_prediction_says_nothing_of_the_image() -> None:
    assert outcomes([], [painted(box(0, 4))]) == [("Coin", "added", "new", None)]
    assert outcomes([], []) == []


def test_what_is_no_mask_does_not_count() -> None:
    choice = {"id": "c", "type": "choices", "from_name": "good", "to_name": "photo", "value": {"choices": []}}

    assert outcomes(predicted(("Coin", box(0, 4)))[:0], [choice]) == []


def test_a_changed_region_on_a_turned_image_is_an_error_that_names_it() -> None:
    after = [painted(box(0, 4), region_id="predicted-0", image_rotation=90)]

    with pytest.raises(RegionError, match="'predicted-0' is painted on an image turned by 90 degrees"):
        outcomes(predicted(("Coin", box(0, 4))), after)


SPANS = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 3)), max_size=5)


@given(SPANS, SPANS, st.integers(0, 5))
def test_every_region_comes_once(
    before: list[tuple[int, int]], after: list[tuple[int, int]], kept: int
) -> None:
    """Each submitted region is kept, redrawn or added; each predicted one kept, redrawn or deleted."""
    made = predicted(*(("Coin", box(left, left + width)) for left, width in before))
    drawn = [
        painted(box(left, left + width), region_id=f"new-{number}")
        for number, (left, width) in enumerate(after)
    ]

    found = outcomes(made, [*made[:kept], *drawn])

    matched = [each for each in found if each[1] in ("kept", "redrawn")]
    assert len(matched) + sum(each[1] == "deleted" for each in found) == len(made)
    assert len(matched) + sum(each[1] == "added" for each in found) == len(made[:kept]) + len(drawn)
    assert len({each[2] for each in found if each[1] != "deleted"}) == len(made[:kept]) + len(drawn)
