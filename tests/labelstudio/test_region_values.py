"""What regions draw, on an image of 10 x 20 pixels: 1 percent is 0.2 pixels across and 0.1 down."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import Geometry
from backend.labelstudio.region_values import mask_values, value_mask
from backend.labelstudio.shapes import bounding_rectangle

SIZE = (10, 20)
BOX = np.zeros(SIZE, bool)
BOX[2:5, 4:14] = True
GEOMETRIES: tuple[Geometry, ...] = ("brush", "bitmask", "polygon")


@pytest.mark.parametrize(
    ("geometry", "value"),
    [
        ("rectangle", {"x": 20, "y": 20, "width": 50, "height": 30, "rotation": 0}),
        ("rectangle", {"x": 70, "y": 20, "width": 15, "height": 100, "rotation": 90}),
        ("polygon", {"points": [[20, 20], [70, 20], [70, 50], [20, 50]], "closed": True}),
    ],
)
def test_percent_are_of_width_and_height_and_turning_is_in_pixels(
    geometry: Geometry, value: dict[str, Any]
) -> None:
    assert np.array_equal(value_mask(geometry, value, SIZE), BOX)


def test_an_ellipse_has_its_radii_in_percent_of_width_and_height() -> None:
    """Centre (10, 5), radii 8 and 4: touches columns 2 and 17, rows 1 and 8."""
    mask = value_mask("ellipse", {"x": 50, "y": 50, "radiusX": 40, "radiusY": 40}, SIZE)

    assert bounding_rectangle(mask) == (2, 1, 16, 8)
    assert abs(int(mask.sum()) - np.pi * 8 * 4) < 4


def test_a_mask_is_written_as_each_control_draws_it() -> None:
    (brush,) = mask_values("brush", BOX, tolerance=1)
    (polygon,) = mask_values("polygon", BOX, tolerance=1)
    (rectangle,) = mask_values("rectangle", BOX, tolerance=1)
    (ellipse,) = mask_values("ellipse", BOX, tolerance=1)

    assert np.array_equal(decode_rle(brush["rle"], SIZE), BOX)
    assert sorted(polygon["points"]) == [[20, 20], [20, 50], [70, 20], [70, 50]]
    assert polygon["closed"] is True
    assert rectangle == {"x": 20, "y": 20, "width": 50, "height": 30, "rotation": 0}
    assert (ellipse["x"], ellipse["y"], ellipse["rotation"]) == (45, 35, 0)
    assert ellipse["radiusX"] == pytest.approx(50 / 3**0.5, abs=0.001)


def test_an_ellipse_is_never_larger_than_label_studio_takes() -> None:
    """The one fitted to all pixels would reach 57.7 percent."""
    (value,) = mask_values("ellipse", np.ones(SIZE, bool), tolerance=1)

    assert value == {"x": 50, "y": 50, "radiusX": 50, "radiusY": 50, "rotation": 0}


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 15))))
@example(np.insert(np.ones((3, 6), bool), 1, [True, False, True], axis=1))
def test_brush_bitmask_and_exact_polygons_come_back_whole(mask: NDArray[np.bool_]) -> None:
    """Each pixel drawn three times as large, so that nothing is a speck."""
    mask = mask.repeat(3, axis=0).repeat(3, axis=1)
    size = (mask.shape[0], mask.shape[1])

    for geometry in GEOMETRIES:
        values = mask_values(geometry, mask, tolerance=0)

        drawn = [value_mask(geometry, value, size) for value in values]
        assert np.array_equal(np.any([np.zeros(size, bool), *drawn], axis=0), mask)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 15))).filter(np.any))
def test_a_rectangle_is_the_box_around_the_mask(mask: NDArray[np.bool_]) -> None:
    (value,) = mask_values("rectangle", mask, tolerance=0)

    filled = value_mask("rectangle", value, (mask.shape[0], mask.shape[1]))

    left, top, width, height = bounding_rectangle(mask)
    assert filled.sum() == width * height
    assert filled[top : top + height, left : left + width].all()


@pytest.mark.parametrize(
    ("geometry", "value", "message"),
    [
        ("brush", {"format": "png"}, "'rle', got 'png'"),
        ("polygon", {}, "points as a list"),
        ("polygon", {"points": [[1, 2], [3]]}, "a pair of numbers"),
        ("polygon", {"points": [[1, 2], [3, "4"]]}, "a number from -1000 to 1000, got '4'"),
        ("polygon", {"points": [[1, 2], [3, 1e300]]}, "got 1e"),
        ("rectangle", {"x": 1, "y": 1, "width": 5}, "expected height to be a number"),
        ("rectangle", {"x": 1, "y": 1, "width": 5, "height": float("nan")}, "got nan"),
        ("ellipse", {"x": True, "y": 1, "radiusX": 5, "radiusY": 5}, "expected x to be a number"),
        ("ellipse", {"x": 1, "y": 1, "radiusX": 5, "radiusY": 5, "rotation": "90"}, "expected rotation"),
        ("bitmask", {}, "imageDataURL"),
    ],
)
def test_what_does_not_fit_the_control_is_refused_with_what_was_expected(
    geometry: Geometry, value: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegionError, match=message):
        value_mask(geometry, value, SIZE)


NUMBERS = st.floats() | st.integers() | st.none() | st.text(max_size=2)


@given(
    st.sampled_from(["polygon", "rectangle", "ellipse"]),
    st.dictionaries(st.sampled_from(["x", "y", "width", "height", "radiusX", "radiusY", "rotation"]), NUMBERS)
    | st.fixed_dictionaries({"points": st.lists(st.lists(NUMBERS, max_size=3)) | NUMBERS}),
)
def test_any_value_is_a_mask_or_an_error_of_ours(geometry: Geometry, value: dict[str, Any]) -> None:
    try:
        assert value_mask(geometry, value, SIZE).shape == SIZE
    except RegionError:
        return
