"""What smart tools send, as Label Studio 1.23's editor was seen to send it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import encode_rle
from backend.labelstudio.errors import LabelStudioError, RegionError
from backend.labelstudio.interactive import MOST_REGIONS, answer_control, pointing
from backend.labelstudio.label_config import image_controls

CONTROLS = image_controls(
    """<View><Image name="image" value="$image"/>
    <RectangleLabels name="box" toName="image"><Label value="Coin"/></RectangleLabels>
    <BrushLabels name="brush" toName="image"><Label value="Coin"/><Label value="Chip"/></BrushLabels>
    <PolygonLabels name="outline" toName="image"><Label value="Coin"/></PolygonLabels>
    <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Coin"/></KeyPointLabels>
    </View>"""
)
SIZE = {"original_width": 400, "original_height": 300, "image_rotation": 0, "to_name": "image"}


def key_point(x: float, y: float, *, positive: bool = True, label: str = "Coin") -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.23, "labels": [label], "keypointlabels": [label]}
    own = {"id": "da7HXJmgJs", "from_name": "kp", "type": "keypointlabels", "origin": "manual"}
    return {**SIZE, **own, "is_positive": positive, "value": value}


def rectangle(x: float, y: float, width: float, height: float) -> dict[str, Any]:
    value = {
        "x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": ["Coin"],
    }  # fmt: skip
    return {**SIZE, "id": "r1", "from_name": "box", "type": "rectanglelabels", "value": value}


def stroke(mask: NDArray[np.bool_]) -> dict[str, Any]:
    value = {"format": "rle", "rle": encode_rle(mask), "brushlabels": ["Chip"]}
    return {**SIZE, "id": "b1", "from_name": "brush", "type": "brushlabels", "value": value}


def test_key_points_show_one_thing_together() -> None:
    found = pointing([key_point(50, 50), key_point(25, 10, positive=False)], CONTROLS)

    (thing,) = found.things
    assert (found.label, found.image_name, found.size_hw) == ("Coin", "image", (300, 400))
    assert list(thing.points_xy) == [(200, 150), (100, 30)]
    assert list(thing.positive) == [True, False]


def test_each_rectangle_and_each_stroke_is_a_thing() -> None:
    mask = np.zeros((300, 400), np.bool_)
    mask[10:12, 20:60] = True

    boxes = pointing([rectangle(10, 10, 20, 30), rectangle(50, 50, 10, 10)], CONTROLS).things
    strokes = pointing([stroke(mask)], CONTROLS)

    assert [thing.box_xyxy for thing in boxes] == [(40, 30, 120, 120), (200, 150, 240, 180)]
    assert strokes.label == "Chip"
    assert [np.array_equal(thing.stroke, mask) for thing in strokes.things if thing.stroke is not None] == [
        True
    ]


def test_a_generic_label_stands_in_a_region_of_its_own() -> None:
    shape = {**rectangle(10, 10, 20, 30), "type": "rectangle", "from_name": "shape"}
    shape["value"] = {key: shape["value"][key] for key in ("x", "y", "width", "height", "rotation")}
    labels = {
        **shape,
        "type": "labels",
        "from_name": "names",
        "value": {**shape["value"], "labels": ["Chip"]},
    }

    found = pointing([shape, labels], CONTROLS)

    assert (found.label, len(found.things)) == ("Chip", 1)


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ([], "got 0"),
        ([key_point(1, 1)] * (MOST_REGIONS + 1), str(MOST_REGIONS)),
        ([{**key_point(1, 1), "image_rotation": 90}], "turned by 90"),
        ([key_point(50, 50, positive=False)], "beside it"),
        ([rectangle(200, 200, 10, 10)], "covers no pixel"),
        ([{**key_point(1, 1), "original_width": None}], "size of its image"),
        ([key_point(1, 1), {**key_point(1, 1), "to_name": "second"}], "one image"),
        ([{**key_point(1, 1), "value": {"x": 1, "y": 1}}], "choose a label"),
    ],
)
def test_what_shows_no_thing_is_refused_with_the_reason(regions: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(RegionError, match=words):
        pointing(regions, CONTROLS)


PAGES = [replace(each, image_list=True) for each in CONTROLS]


def test_of_a_list_of_images_the_one_is_meant_that_was_pointed_at_last() -> None:
    """The editor sends what was not accepted yet on the others as well; they may be of other sizes."""
    before = {**key_point(1, 1), "item_index": 0, "original_height": 60}

    found = pointing([before, {**key_point(50, 50), "item_index": 3}], PAGES)
    unsaid = pointing([key_point(50, 50)], PAGES)

    assert (found.place, found.size_hw) == (("image", 3), (300, 400))
    assert [thing.points_xy for thing in found.things] == [((200, 150),)]
    assert unsaid.place == ("image", 0)


def test_an_image_outside_of_a_list_is_meant_whatever_number_it_has() -> None:
    """The editor gives one to some regions there, too."""
    found = pointing([{**key_point(1, 1), "item_index": 0}, key_point(2, 2)], CONTROLS)

    assert (found.place, len(found.things[0].points_xy)) == (("image", None), 2)


def test_the_only_label_need_not_be_said() -> None:
    only = image_controls(
        '<View><Image name="image" value="$image"/><BrushLabels name="b" toName="image">'
        '<Label value="Coin"/></BrushLabels></View>'
    )

    assert pointing([{**key_point(1, 1), "value": {"x": 1, "y": 1}}], only).label == "Coin"


@pytest.mark.parametrize(
    ("region", "wanted", "name"),
    [
        (key_point(1, 1), "", "brush"),  # the first that holds outlines
        (rectangle(1, 1, 5, 5), "", "brush"),  # a rectangle asks for a mask
        (key_point(1, 1), "PolygonLabels", "outline"),
        (key_point(1, 1, label="Chip"), "PolygonLabels", "brush"),  # which lacks the label
        ({**rectangle(1, 1, 5, 5)}, "box", "box"),
    ],
)
def test_the_answer_goes_through_a_control_that_has_the_label(
    region: dict[str, Any], wanted: str, name: str
) -> None:
    assert answer_control(pointing([region], CONTROLS), CONTROLS, wanted).from_name == name


def test_what_is_painted_with_a_smart_brush_stays_with_that_brush() -> None:
    two = image_controls(
        '<View><Image name="image" value="$image"/>'
        '<PolygonLabels name="p" toName="image"><Label value="Chip"/></PolygonLabels>'
        '<BrushLabels name="brush" toName="image"><Label value="Chip"/></BrushLabels></View>'
    )
    mask = np.ones((300, 400), np.bool_)

    assert answer_control(pointing([stroke(mask)], two), two, "").from_name == "brush"


def test_labels_from_the_task_go_through_the_control_that_has_them_there() -> None:
    """The brush takes what the task's data list; without a choice it is the only label that there is."""
    controls = image_controls(
        '<View><Image name="image" value="$image"/>'
        '<BrushLabels name="brush" toName="image" value="$things"/>'
        '<PolygonLabels name="outline" toName="image" value="$others"/></View>'
    )
    data = {"others": [{"value": "Coin"}]}

    pointed = pointing([{**key_point(1, 1), "value": {"x": 1, "y": 1}}], controls, task_data=data)

    assert pointed.label == "Coin"
    assert answer_control(pointed, controls, "brush", task_data=data).from_name == "outline"


def test_a_label_that_no_control_has_is_named() -> None:
    with pytest.raises(RegionError, match=r"'Button'.*label config"):
        answer_control(pointing([key_point(1, 1, label="Button")], CONTROLS), CONTROLS, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
VALUE_KEYS = ("x", "y", "width", "height", "points", "rle", "format", "labels")
TYPES = st.sampled_from(
    ["keypointlabels", "keypoint", "rectanglelabels", "brushlabels", "bitmask", "polygonlabels", "labels", ""]
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": TYPES | JSON},
            optional={
                "value": JSON
                | st.fixed_dictionaries(
                    {},
                    optional=dict.fromkeys(
                        ("x", "y", "width", "height", "points", "rle", "format", "labels"), JSON
                    ),
                ),
                "original_width": st.just(40) | JSON,
                "original_height": st.just(30) | JSON,
                "image_rotation": st.just(0) | JSON,
                "is_positive": JSON,
                "item_index": st.sampled_from([0, 1, None, "1", []]),
                "to_name": st.sampled_from(["image", None, []]),
            },
        ),
        max_size=3,
    )
)
def test_anything_is_read_or_refused(regions: list[dict[str, Any]]) -> None:
    """What a browser sends may be anything; only our own errors come out."""
    for controls in (CONTROLS, PAGES):
        try:
            found = pointing(regions, controls)
        except LabelStudioError:
            continue
        assert found.things
