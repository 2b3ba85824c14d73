"""What a region's ``value`` draws: to a mask and back, for each kind of control.

Coordinates are percent of the image's width and height.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.bitmask import decode_bitmask, encode_bitmask
from backend.labelstudio.brush_rle import decode_rle, encode_rle
from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import Geometry
from backend.labelstudio.outlines import outlines
from backend.labelstudio.shapes import (
    bounding_rectangle,
    ellipse_mask,
    fitted_ellipse,
    polygon_mask,
    rectangle_mask,
)
from backend.labelstudio.specks import SPECK_PIXELS

_FURTHEST = 1000.0  # percent: what lies further outside was not drawn by a person
_MOST_POINTS = 100_000
_DIGITS = 4  # of a percent: below 0.02 pixels on the largest images
_LARGEST_RADIUS = 50.0  # percent, by Label Studio's check


def value_mask(geometry: Geometry, value: Mapping[str, Any], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels that a region's value draws, (H, W) bool.

    Args:
        geometry: of the region's control.
        value: the region's ``value``.
        size_hw: of the image, in pixels.

    Raises:
        RegionError: the value lacks something, or has something else in its place.
        RleError: a brush mask cannot be decoded.
    """
    if geometry == "brush":
        if value.get("format") != "rle":
            raise RegionError(f"expected a brush mask in the format 'rle', got {value.get('format')!r}")
        return decode_rle(value.get("rle"), size_hw)  # type: ignore[arg-type]  # it checks for itself
    if geometry == "bitmask":
        return decode_bitmask(value.get("imageDataURL"), size_hw)
    if geometry == "polygon":
        return polygon_mask(_points(value.get("points")) * _scale(size_hw), size_hw)
    position = _pair(value, "x", "y", size_hw)
    if geometry == "rectangle":
        return rectangle_mask(position, _pair(value, "width", "height", size_hw), _rotation(value), size_hw)
    return ellipse_mask(position, _pair(value, "radiusX", "radiusY", size_hw), _rotation(value), size_hw)


def value_point(value: Mapping[str, Any], size_hw: tuple[int, int]) -> tuple[float, float]:
    """The place of a key point, (x, y) in pixels.

    Args:
        value: the region's ``value``.
        size_hw: of the image, in pixels.

    Raises:
        RegionError: the value lacks something, or has something else in its place.
    """
    return _pair(value, "x", "y", size_hw)


def mask_values(geometry: Geometry, mask: NDArray[np.bool_], *, tolerance: float) -> list[dict[str, Any]]:
    """The values of regions that draw a mask: several where a polygon would have several parts.

    Args:
        geometry: of the regions' control.
        mask: the instance, (H, W) bool, not empty.
        tolerance: how far a polygon may be from the mask's edge, in pixels.
    """
    if geometry == "brush":
        return [{"format": "rle", "rle": encode_rle(mask)}]
    if geometry == "bitmask":
        return [{"imageDataURL": encode_bitmask(mask)}]
    if geometry == "polygon":
        rings = outlines(mask, tolerance=tolerance, min_pixels=SPECK_PIXELS)
        return [{"points": _percent(ring, mask.shape).tolist(), "closed": True} for ring in rings]
    if geometry == "rectangle":
        return [_rectangle(mask)]
    return [_ellipse(mask)]


def _rectangle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    left, top, width, height = bounding_rectangle(mask)
    (x, y), (across, along) = _percent(np.array([[left, top], [width, height]]), mask.shape).tolist()
    return {"x": x, "y": y, "width": across, "height": along, "rotation": 0}


def _ellipse(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The fitted ellipse; where Label Studio takes none so large, the one inside the bounding rectangle."""
    centre, radii, rotation = fitted_ellipse(mask)
    (x, y), (across, along) = _percent(np.array([centre, radii]), mask.shape).tolist()
    if max(across, along) > _LARGEST_RADIUS:
        box = _rectangle(mask)
        across, along, rotation = box["width"] / 2, box["height"] / 2, 0.0
        x, y = box["x"] + across, box["y"] + along
    return {"x": x, "y": y, "radiusX": across, "radiusY": along, "rotation": round(rotation, _DIGITS)}


def _scale(size_hw: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array(size_hw[::-1], np.float64) / 100


def _percent(points_xy: NDArray[Any], size_hw: tuple[int, ...]) -> NDArray[np.float64]:
    return np.round(points_xy / _scale(size_hw), _DIGITS)


def _points(points: object) -> NDArray[np.float64]:
    if not isinstance(points, list) or len(points) > _MOST_POINTS:
        raise RegionError(f"expected a polygon's points as a list of at most {_MOST_POINTS} pairs")
    if any(not isinstance(point, (list, tuple)) or len(point) != 2 for point in points):
        raise RegionError("expected each of a polygon's points to be a pair of numbers")
    flat = [_number(each, "a polygon's point") for point in points for each in point]
    return np.array(flat, np.float64).reshape(-1, 2)


def _pair(value: Mapping[str, Any], x: str, y: str, size_hw: tuple[int, int]) -> tuple[float, float]:
    """Two of the value's numbers, in pixels."""
    across, along = np.array([_number(value.get(name), name) for name in (x, y)]) * _scale(size_hw)
    return float(across), float(along)


def _rotation(value: Mapping[str, Any]) -> float:
    return _number(value.get("rotation") or 0, "rotation")


def _number(number: object, name: str) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not abs(number) <= _FURTHEST:
        raise RegionError(f"expected {name} to be a number from -1000 to 1000, got {number!r:.40}")
    return float(number)
