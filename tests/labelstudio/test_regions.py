"""Regions of annotations and predictions, on images of 3 x 5 pixels."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import decode_rle, encode_rle
from backend.labelstudio.errors import RegionError, RleError
from backend.labelstudio.label_config import Control
from backend.labelstudio.regions import MaskRegion, ScoredMask, drawn_regions, mask_regions, prediction

CONTROL = Control("brush", "photo", "image", ("Coin", "Nut"))
CONTROLS = dict.fromkeys(CONTROL.labels, CONTROL)
MASK = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def region(mask: NDArray[np.bool_] = MASK, *labels: str, **changes: Any) -> dict[str, Any]:
    """A region as a person paints it."""
    height, width = mask.shape
    value = {"format": "rle", "rle": encode_rle(mask), "brushlabels": list(labels) or ["Coin"]}
    return {
        "id": "painted01",
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "photo",
        "original_height": height,
        "original_width": width,
        "image_rotation": 0,
        "origin": "manual",
        "value": value,
        **changes,
    }


def drawn(*result: dict[str, Any]) -> list[MaskRegion]:
    return mask_regions(result, [CONTROL], labels=CONTROL.labels)


def test_a_painted_region_is_a_mask_with_its_label() -> None:
    (found,) = mask_regions([region()], [CONTROL], labels=CONTROL.labels)

    assert (found.label, found.region_id) == ("Coin", "painted01")
    assert np.array_equal(found.mask, MASK)


@pytest.mark.parametrize(
    "passed_over",
    [
        region(np.zeros((3, 5), bool)),
        region(MASK, "Button"),
        region(type="rectanglelabels"),
        region(from_name="another"),
        region(origin="prediction"),
        region(value={}),
        region(value=None),
        region(value={"brushlabels": "Coin"}),
        {"type": "choices", "value": {"choices": ["Coin"]}},
        {},
    ],
    ids=[
        "empty", "unknown label", "rectangle", "other control", "predicted", "no labels", "no value", "text",
        "choice", "nothing",
    ],
)  # fmt: skip
def test_what_is_no_painted_region_of_the_control_is_passed_over(passed_over: dict[str, Any]) -> None:
    assert [
        found.region_id
        for found in mask_regions([passed_over, region(id="kept")], [CONTROL], labels=CONTROL.labels)
    ] == ["kept"]


def test_a_prediction_that_a_person_changed_counts() -> None:
    assert len(mask_regions([region(origin="prediction-changed")], [CONTROL], labels=CONTROL.labels)) == 1


def test_a_region_with_two_labels_counts_for_the_first_in_the_label_configs_order() -> None:
    both = region(MASK, "Nut", "Coin")

    found = mask_regions([both], [CONTROL], labels=CONTROL.labels)

    assert [each.label for each in found] == ["Coin"]
    assert mask_regions([both], [CONTROL], labels=["Nut"], known=CONTROL.labels) == []


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (region(image_rotation=90), RegionError, "'painted01' is painted on an image turned by 90 degrees"),
        (region(original_height=None), RegionError, "expected region 'painted01' to have the size"),
        (region(original_width="5"), RegionError, "expected region 'painted01' to have the size"),
        (region(original_width=6), RleError, "6 x 3 pixels"),
        (region(value={"brushlabels": ["Coin"], "format": "png"}), RegionError, "'rle', got 'png'"),
        (region(value={"brushlabels": ["Coin"], "format": "rle"}), RleError, "got NoneType"),
    ],
)
def test_a_region_that_cannot_be_used_is_an_error_that_names_it(
    broken: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        mask_regions([broken], [CONTROL], labels=CONTROL.labels)


def test_a_prediction_has_one_region_per_instance_and_their_mean_score() -> None:
    item = prediction(
        7, "v1", CONTROLS, (3, 5), [ScoredMask("Coin", MASK, 0.5), ScoredMask("Nut", ~MASK, 1.0)]
    )

    first, second = item["result"]
    assert (item["task"], item["model_version"], item["score"]) == (7, "v1", 0.75)
    assert (first["original_width"], first["original_height"], first["image_rotation"]) == (5, 3, 0)
    assert (first["from_name"], first["to_name"], first["type"]) == ("brush", "photo", "brushlabels")
    assert (second["value"]["brushlabels"], second["value"]["format"], second["score"]) == (
        ["Nut"],
        "rle",
        1.0,
    )
    assert np.array_equal(decode_rle(first["value"]["rle"], (3, 5)), MASK)


def test_region_ids_are_unique_and_long_enough() -> None:
    item = prediction(7, "v1", CONTROLS, (3, 5), [ScoredMask("Coin", MASK, 0.5)] * 50)

    ids = {each["id"] for each in item["result"]}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 8


def test_empty_masks_and_specks_are_never_sent() -> None:
    speck = np.zeros((3, 5), bool)
    speck[0, :3] = True

    item = prediction(
        7,
        "v1",
        CONTROLS,
        (3, 5),
        [ScoredMask("Coin", np.zeros((3, 5), bool), 0.9), ScoredMask("Coin", speck, 0.9)],
    )

    assert item == {"task": 7, "model_version": "v1", "result": []}


def test_our_own_prediction_does_not_teach() -> None:
    item = prediction(7, "v1", CONTROLS, (3, 5), [ScoredMask("Coin", MASK, 0.5)])

    assert mask_regions(item["result"], [CONTROL], labels=CONTROL.labels) == []


def test_masks_of_another_size_and_unknown_labels_are_refused() -> None:
    with pytest.raises(RegionError, match=r"masks of \(5, 3\) \(height, width\), got \(3, 5\)"):
        prediction(7, "v1", CONTROLS, (5, 3), [ScoredMask("Coin", MASK, 0.5)])
    with pytest.raises(RegionError, match="got 'Button'"):
        prediction(7, "v1", CONTROLS, (3, 5), [ScoredMask("Button", MASK, 0.5)])


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_is_between_0_and_1(score: float) -> None:
    with pytest.raises(RegionError, match=r"a score in \[0, 1\]"):
        ScoredMask("Coin", MASK, score)


def test_a_mask_is_bool() -> None:
    with pytest.raises(RegionError, match=r"a mask \(H, W\) bool, got \(3, 5\) uint8"):
        ScoredMask("Coin", MASK.astype(np.uint8), 0.5)


LABELLED = Control("outline", "photo", "image", ("Coin", "Nut"), "polygon", labels_name="what")
CORNERS = {"points": [[20, 0], [60, 0], [60, 66.6667], [20, 66.6667]], "closed": True}


def test_a_region_with_generic_labels_is_two_results_with_one_id() -> None:
    """The outline of MASK, as the editor stores it."""
    shape = region(type="polygon", from_name="outline", value=CORNERS)
    chosen = region(type="labels", from_name="what", value={**CORNERS, "labels": ["Nut"]})
    stranger = region(id="another01", type="labels", from_name="what", value={"labels": ["Coin"]})

    (found,) = mask_regions([stranger, shape, chosen], [LABELLED], labels=LABELLED.labels)

    assert (found.label, found.region_id, found.control) == ("Nut", "painted01", LABELLED)
    assert np.array_equal(found.mask, MASK)
    assert mask_regions([shape], [LABELLED], labels=LABELLED.labels) == []


def test_a_region_with_labels_of_two_controls_is_one_thing_with_the_first_label() -> None:
    """One polygon for both; the order of the results does not matter."""
    shape = region(type="polygon", from_name="outline", value=CORNERS)
    nut, old = (
        region(type="labels", from_name=name, value={**CORNERS, "labels": [label]})
        for name, label in (("what", "Nut"), ("state", "Old"))
    )
    state = Control("outline", "photo", "image", ("Old", "New"), "polygon", labels_name="state")

    found = mask_regions([old, shape, nut], [LABELLED, state], labels=["Coin", "Nut", "Old", "New"])

    assert [(each.label, each.control) for each in found] == [("Nut", LABELLED)]


def test_a_prediction_with_generic_labels_is_two_results_with_one_id() -> None:
    item = prediction(7, "v1", {"Nut": LABELLED}, (3, 5), [ScoredMask("Nut", MASK, 0.5)])

    shape, chosen = item["result"]
    assert shape["id"] == chosen["id"]
    assert (shape["type"], shape["from_name"]) == ("polygon", "outline")
    assert (chosen["type"], chosen["from_name"], chosen["value"]["labels"]) == ("labels", "what", ["Nut"])
    assert chosen["value"] == {**shape["value"], "labels": ["Nut"]}
    drawn_again = [{**each, "origin": "manual"} for each in item["result"]]
    (again,) = mask_regions(drawn_again, [LABELLED], labels=["Nut"])
    assert np.array_equal(again.mask, MASK)


PAGES = Control("brush", "photo", "pages", ("Coin", "Nut"), image_list=True)


@pytest.mark.parametrize(("item", "place"), [({}, 0), ({"item_index": None}, 0), ({"item_index": 2}, 2)])
def test_a_region_tells_which_image_of_a_list_it_is_on(item: dict[str, Any], place: int) -> None:
    """The first, where it does not tell; where there is no list, whatever it tells."""
    (paged,) = mask_regions([region(**item)], [PAGES], labels=["Coin"])
    (single,) = mask_regions([region(**item)], [CONTROL], labels=["Coin"])

    assert (paged.place, single.place) == (("photo", place), ("photo", None))


@pytest.mark.parametrize("item", ["1", -1, 0.5, True, [1]])
def test_a_region_on_no_image_of_a_list_is_an_error_that_names_it(item: object) -> None:
    with pytest.raises(RegionError, match="'painted01' to have the number of its image, got"):
        mask_regions([region(item_index=item)], [PAGES], labels=["Coin"])


def test_a_prediction_tells_which_image_of_a_list_it_is_of() -> None:
    """Both entries of a region with generic labels do; without a list there is nothing to tell."""
    generic = Control("paint", "photo", "pages", ("Coin",), labels_name="names", image_list=True)
    found = [ScoredMask("Coin", MASK, 1)]

    paged = prediction(1, "v", {"Coin": generic}, (3, 5), found, item=1)["result"]
    single = prediction(1, "v", CONTROLS, (3, 5), found)["result"]

    assert [(each["type"], each["item_index"]) for each in paged] == [("brush", 1), ("labels", 1)]
    assert "item_index" not in single[0]


def test_regions_of_several_controls_are_found_in_their_order() -> None:
    box = Control("box", "photo", "image", ("Coin",), "rectangle")
    value = {"x": 20, "y": 0, "width": 40, "height": 66.6667, "rotation": 0, "rectanglelabels": ["Coin"]}
    regions = [region(id="drawn-box", type="rectanglelabels", from_name="box", value=value), region()]

    found = mask_regions(regions, [CONTROL, box], labels=["Coin"])

    assert [(each.region_id, each.control) for each in found] == [("drawn-box", box), ("painted01", CONTROL)]
    assert all(np.array_equal(each.mask, MASK) for each in found)


def test_a_shape_on_a_turned_image_is_refused_as_a_mask_is() -> None:
    turned = region(type="polygon", from_name="outline", value=CORNERS, image_rotation=270)
    chosen = region(type="labels", from_name="what", value={**CORNERS, "labels": ["Nut"]})

    with pytest.raises(RegionError, match="turned by 270 degrees"):
        mask_regions([turned, chosen], [LABELLED], labels=["Nut"])


def test_the_parts_of_a_mask_are_polygons_of_their_own_and_its_score_counts_once() -> None:
    mask = np.zeros((10, 20), bool)
    mask[1:4, 1:4] = mask[6:9, 12:18] = True
    outline = Control("outline", "photo", "image", ("Coin",), "polygon")
    found = [ScoredMask("Coin", mask, 0.25), ScoredMask("Coin", mask & (np.arange(20) < 9), 0.75)]

    item = prediction(7, "v1", {"Coin": outline}, (10, 20), found)

    assert [each["score"] for each in item["result"]] == [0.25, 0.25, 0.75]
    assert item["score"] == 0.5


def in_two_parts() -> list[dict[str, Any]]:
    """A prediction of one thing in two parts, 9 and 18 pixels, and of another one of 9."""
    mask = np.zeros((10, 20), bool)
    mask[1:4, 1:4] = mask[6:9, 12:18] = True
    found = [ScoredMask("Nut", mask, 0.25), ScoredMask("Nut", mask & (np.arange(20) < 9), 0.75)]
    result: list[dict[str, Any]] = prediction(7, "v1", {"Nut": LABELLED}, (10, 20), found)["result"]
    return result


def test_the_parts_of_a_mask_are_one_thing_again_whatever_their_order() -> None:
    result = in_two_parts()

    for some in (result, result[::-1]):
        drawn = list(drawn_regions(some, [LABELLED], predicted=True))
        masks = mask_regions(some, [LABELLED], labels=["Nut"], predicted=True)

        assert sorted(int(each.mask().sum()) for each in drawn) == [9, 27]
        assert sorted(int(each.mask.sum()) for each in masks) == [9, 27]
        assert {each.id for each in drawn} <= {each["id"] for each in some}


def test_parts_are_one_thing_as_long_as_they_are_of_one_label_and_of_one_image() -> None:
    """Of another label a person made one of them; no image of that size is the other's."""
    first, chosen, second, chosen_too, *_ = in_two_parts()
    nut = {**chosen_too, "value": {**chosen_too["value"], "labels": ["Coin"]}}
    wide = {**second, "original_width": 30}

    assert len(list(drawn_regions([first, chosen, second, chosen_too], [LABELLED], predicted=True))) == 1
    assert len(list(drawn_regions([first, chosen, second, nut], [LABELLED], predicted=True))) == 2
    assert len(list(drawn_regions([first, chosen, wide, chosen_too], [LABELLED], predicted=True))) == 2


def test_regions_that_a_person_drew_are_things_of_their_own() -> None:
    """Whatever ids Label Studio gives them; also if two are the same."""
    for ids in (["abcdefg-1", "abcdefg-2"], ["painted01", "painted01"], ["", ""]):
        regions = [region(id=each) for each in ids]

        assert len(list(drawn_regions(regions, [CONTROL]))) == 2


def test_a_note_stands_in_the_details_of_every_region() -> None:
    (noted,) = prediction(7, "v1", CONTROLS, (3, 5), [ScoredMask("Coin", MASK, 0.5)], note="merged")["result"]

    assert noted["meta"] == {"text": ["merged"]}
