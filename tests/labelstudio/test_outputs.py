"""Which control predictions go through, and what becomes of too many regions."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import OutputOptions, SearchedImage, region_plan, searched_images
from backend.labelstudio.references import PickedReference
from backend.labelstudio.regions import ScoredMask, is_merged

LABELS = ("Coin", "Nut")
BRUSH = Control("brush", "photo", "image", LABELS)
POLYGON = Control("outline", "photo", "image", ("Coin",), "polygon")
RECTANGLE = Control("box", "photo", "image", LABELS, "rectangle")
ELSEWHERE = Control("outline-2", "back", "behind", LABELS, "polygon")
CONTROLS = (RECTANGLE, BRUSH, ELSEWHERE, POLYGON)
MASK = np.array([[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], bool)


def reference(label: str, control: Control = BRUSH) -> PickedReference:
    return PickedReference(label, 1, 2, "/x.png", (3, 5), ("painted1",), (MASK,), control)


PICKED = [reference(label) for label in LABELS]
OUTPUTS = dict.fromkeys(LABELS, BRUSH)


def on_photo(picked: list[PickedReference], wanted: str) -> Mapping[str, Control]:
    """The controls of predictions on the references' image."""
    photo, _ = searched_images(picked, CONTROLS, wanted)
    assert (photo.to_name, photo.key) == ("photo", "image")
    return photo.controls


def test_predictions_use_the_control_that_the_reference_used() -> None:
    picked = [reference("Coin", POLYGON), reference("Nut")]

    assert on_photo(picked, "") == {"Coin": POLYGON, "Nut": BRUSH}


@pytest.mark.parametrize("wanted", ["outline", "PolygonLabels", "polygonlabels"])
def test_or_the_one_that_the_setting_names_where_it_has_the_label(wanted: str) -> None:
    assert on_photo(PICKED, wanted) == {"Coin": POLYGON, "Nut": BRUSH}


@pytest.mark.parametrize("wanted", ["outline-2", "unknown", "BitmaskLabels"])
def test_a_control_of_another_image_or_of_no_project_is_passed_over(wanted: str) -> None:
    assert on_photo(PICKED, wanted) == OUTPUTS


def test_every_image_is_searched_for_the_labels_that_its_controls_offer() -> None:
    """Nobody drew on the back; what has no reference, and an image without any label of them, is left out."""
    left = Control("left-brush", "left", "l", ("Coin", "Bolt"))
    right = Control("right-brush", "right", "r", ("Nut", "Coin"))
    other = Control("other-brush", "other", "o", ("Bolt",))

    found = searched_images([reference("Coin", left), reference("Nut", right)], [left, right, other], "")

    assert found == (
        SearchedImage("left", "l", {"Coin": left}),
        SearchedImage("right", "r", {"Coin": right, "Nut": right}),
    )


def test_on_another_image_predictions_are_drawn_as_the_reference_is_where_a_control_draws_so() -> None:
    box, brush = (Control(name, "back", "behind", LABELS, name) for name in ("rectangle", "brush"))
    outline = Control("outline", "side", "aside", LABELS, "polygon")
    controls = [BRUSH, box, brush, outline]

    _, back, side = searched_images(PICKED, controls, "")
    _, wanted, _ = searched_images(PICKED, controls, "RectangleLabels")

    assert back.controls == dict.fromkeys(LABELS, brush)
    assert side.controls == dict.fromkeys(LABELS, outline)
    assert wanted.controls == dict.fromkeys(LABELS, box)


def test_an_image_that_shows_a_list_is_as_many_images_as_each_task_has() -> None:
    """People are told their numbers as the editor counts them, from 1."""
    pages = Control("brush", "pages", "p", ("Coin",), image_list=True)
    (searched,) = searched_images([reference("Coin", pages)], [pages], "")

    found = searched.of({"p": ["/1.png", "/2.png"]})

    assert [(each.key, each.place, str(each)) for each in found] == [
        ("p[0]", ("pages", 0), "image 1 of 'pages'"),
        ("p[1]", ("pages", 1), "image 2 of 'pages'"),
    ]
    assert [each.key for each in searched.of({})] == ["p[0]"]


def test_an_image_of_its_own_is_the_same_in_each_task() -> None:
    searched = SearchedImage("photo", "image", {"Coin": BRUSH})

    assert searched.of({"image": ["/1.png"]}) == (searched,)
    assert (searched.place, str(searched)) == (("photo", None), "'photo'")


def test_a_control_with_labels_from_the_task_is_used_only_where_the_task_offers_the_label() -> None:
    """Elsewhere predictions go through the next control that offers it, the reference's before others."""
    outline = Control("outline", "photo", "image", (), "polygon", labels_key="things")
    (searched,) = searched_images(PICKED, [outline, RECTANGLE, BRUSH], "outline")

    (listing,), (without,) = (searched.of(data) for data in ({"things": ["Nut"]}, {}))

    assert searched.controls == dict.fromkeys(LABELS, outline)
    assert listing.controls == {"Coin": BRUSH, "Nut": outline}
    assert without.controls == OUTPUTS


def test_a_label_that_no_control_offers_for_the_task_stays_with_the_first() -> None:
    """It is still looked for, so that it takes what would else be found under another label."""
    brush = replace(BRUSH, labels=(), labels_key="things")
    (searched,) = searched_images([reference("Coin", brush)], [brush], "")

    assert [each.controls for each in searched.of({})] == [{"Coin": brush}]


def test_of_several_references_of_a_label_the_first_says_the_control() -> None:
    assert on_photo([reference("Coin", RECTANGLE), reference("Coin")], "") == {"Coin": RECTANGLE}


def test_up_to_the_bound_nothing_changes() -> None:
    plan = region_plan({"Coin": 3, "Nut": 2}, OUTPUTS, CONTROLS, OutputOptions(max_regions=5))

    assert (plan.controls, plan.merged, plan.limit) == (OUTPUTS, frozenset(), "")


def test_beyond_it_labels_with_polygons_get_them_and_the_others_one_mask() -> None:
    plan = region_plan({"Coin": 3, "Nut": 3}, OUTPUTS, CONTROLS, OutputOptions(max_regions=5))

    assert plan.controls == {"Coin": POLYGON, "Nut": BRUSH}
    assert plan.merged == {"Nut"}
    assert plan.limit == (
        "6 painted regions are more than ONESHOT_MAX_REGIONS allows (5), "
        "they became polygons of 'Coin' and one mask of all 'Nut'"
    )


def test_of_several_labels_each_gets_a_mask_and_the_note_says_so() -> None:
    """It is still read as that of a region with many things."""
    plan = region_plan(
        {"Coin": 4, "Nut": 3}, OUTPUTS, CONTROLS, OutputOptions(max_regions=5, beyond="merged")
    )

    assert plan.limit.endswith("they became one mask of all things for each of 'Coin', 'Nut'")
    assert is_merged({"meta": {"text": [plan.limit]}})


def test_polygons_whose_labels_come_from_the_task_serve_too_where_it_offers_the_label() -> None:
    brush, outline = (replace(each, labels=(), labels_key="things") for each in (BRUSH, POLYGON))
    many = {"Coin": 200}, {"Coin": brush}, (brush, outline), OutputOptions()

    offered, other = (region_plan(*many, task_data={"things": [label]}) for label in LABELS)

    assert (offered.controls, set(offered.merged)) == ({"Coin": outline}, set())
    assert (other.controls, set(other.merged)) == ({"Coin": brush}, {"Coin"})


def test_merged_as_set_leaves_the_polygons_alone() -> None:
    options = OutputOptions(max_regions=5, beyond="merged")

    plan = region_plan({"Coin": 3, "Nut": 3}, OUTPUTS, CONTROLS, options)

    assert (plan.controls, set(plan.merged)) == (OUTPUTS, {"Coin", "Nut"})


def test_painted_regions_on_the_other_images_of_the_task_count_too() -> None:
    """An image without a painted region has nothing that could be merged."""
    options = OutputOptions(max_regions=5, beyond="merged")

    assert region_plan({"Nut": 2}, OUTPUTS, CONTROLS, options, elsewhere=3).limit == ""
    assert region_plan({}, OUTPUTS, CONTROLS, options, elsewhere=9).limit == ""
    plan = region_plan({"Nut": 2}, OUTPUTS, CONTROLS, options, elsewhere=4)
    assert plan.merged == {"Nut"}
    assert plan.limit.startswith("6 painted regions are more than ONESHOT_MAX_REGIONS allows (5)")


def test_shapes_are_light_and_do_not_count() -> None:
    outputs = {"Coin": POLYGON, "Nut": BRUSH}

    assert region_plan({"Coin": 900, "Nut": 5}, outputs, CONTROLS, OutputOptions(max_regions=5)).limit == ""


def test_merged_instances_are_one_with_all_pixels_and_the_mean_score() -> None:
    plan = region_plan({"Coin": 1, "Nut": 2}, OUTPUTS, CONTROLS, OutputOptions(max_regions=2))
    found = [
        ScoredMask("Nut", MASK, 0.25),
        ScoredMask("Coin", MASK, 1.0),
        ScoredMask("Nut", MASK[::-1].copy(), 0.75),
    ]

    coin, nut = plan.instances(found)

    assert (coin.label, coin.score) == ("Coin", 1.0)
    assert (nut.label, nut.score) == ("Nut", 0.5)
    assert np.array_equal(nut.mask, MASK | MASK[::-1])
    assert np.array_equal(found[0].mask, MASK)
