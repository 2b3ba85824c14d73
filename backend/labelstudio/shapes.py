"""Polygons, rectangles and ellipses to pixels and back.

A pixel belongs to a shape when its centre lies inside: pixel (row 0, column 0) has its centre at (0.5, 0.5).
Label Studio turns rectangles around their upper left corner and ellipses around their centre, clockwise, in
pixels. Its editor fills polygons by the nonzero rule: rings inside that run the other way are holes.
"""

import math

import numpy as np
from numpy.typing import NDArray

_EDGES_AT_ONCE = 256  # each may cross as many rows as the image has
_ROUND = 1e-9  # as a share of the spread: what is symmetric is not turned


def polygon_mask(points_xy: NDArray[np.float64], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels inside a closed polygon, (H, W) bool.

    Args:
        points_xy: its corners, (n, 2) in pixels; may lie outside of the image.
        size_hw: of the image, in pixels.
    """
    height, width = size_hw
    mask = np.zeros(size_hw, np.bool_)
    if len(points_xy) < 3:
        return mask
    top, bottom = (
        int(np.clip(each, 0, height)) for each in (points_xy[:, 1].min(), np.ceil(points_xy[:, 1].max()))
    )
    winding = np.zeros((bottom - top, width + 1), np.int16)
    following = np.roll(points_xy, -1, axis=0)
    for start in range(0, len(points_xy), _EDGES_AT_ONCE):
        _add_edges(
            winding, top, points_xy[start : start + _EDGES_AT_ONCE], following[start : start + _EDGES_AT_ONCE]
        )
    np.cumsum(winding, axis=1, out=winding)
    mask[top:bottom] = winding[:, :width] != 0
    return mask


def _add_edges(
    winding: NDArray[np.int16], top: int, starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> None:
    """Note where the edges cross the rows' middles: +1 upwards, -1 downwards, left of the pixels behind."""
    rows = len(winding)
    up = starts[:, 1:] > ends[:, 1:]  # turned, so that there and back cross at the same places
    upper, lower = np.where(up, ends, starts), np.where(up, starts, ends)
    first, last = (
        np.clip(np.ceil(each[:, 1] - 0.5) - top, 0, rows).astype(np.int64) for each in (upper, lower)
    )
    counts = last - first
    edge = np.arange(len(starts)).repeat(counts)
    row = first[edge] + np.arange(counts.sum()) - (counts.cumsum() - counts)[edge]
    (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
    x = x0 + (row + top + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(x - 0.5), 0, winding.shape[1] - 1).astype(np.int64)
    np.add.at(winding, (row, column), np.where(up[edge, 0], 1, -1))


def rectangle_mask(
    left_top_xy: tuple[float, float],
    size_wh: tuple[float, float],
    rotation: float,
    size_hw: tuple[int, int],
) -> NDArray[np.bool_]:
    """The pixels inside a rectangle, (H, W) bool.

    Args:
        left_top_xy: the corner that it is turned around, in pixels.
        size_wh: width and height, in pixels.
        rotation: degrees, clockwise.
        size_hw: of the image, in pixels.
    """
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    width, height = size_wh
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    turned = corners @ np.array([[cos, sin], [-sin, cos]])
    return polygon_mask(turned + left_top_xy, size_hw)


def ellipse_mask(
    centre_xy: tuple[float, float],
    radii_xy: tuple[float, float],
    rotation: float,
    size_hw: tuple[int, int],
) -> NDArray[np.bool_]:
    """The pixels inside an ellipse, (H, W) bool.

    Args:
        centre_xy: in pixels.
        radii_xy: along its own axes, before it is turned, in pixels.
        rotation: degrees, clockwise.
        size_hw: of the image, in pixels.
    """
    mask = np.zeros(size_hw, np.bool_)
    if min(radii_xy) <= 0:
        return mask
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    reach = max(radii_xy) + 1
    left, right = (int(np.clip(centre_xy[0] + each, 0, size_hw[1])) for each in (-reach, reach))
    top, bottom = (int(np.clip(centre_xy[1] + each, 0, size_hw[0])) for each in (-reach, reach))
    x = np.arange(left, right)[None, :] + 0.5 - centre_xy[0]
    y = np.arange(top, bottom)[:, None] + 0.5 - centre_xy[1]
    across, along = (x * cos + y * sin) / radii_xy[0], (y * cos - x * sin) / radii_xy[1]
    mask[top:bottom, left:right] = across**2 + along**2 <= 1
    return mask


def bounding_rectangle(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Left, top, width and height of the box around a mask's pixels; the mask, (H, W) bool, is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def fitted_ellipse(mask: NDArray[np.bool_]) -> tuple[tuple[float, float], tuple[float, float], float]:
    """The ellipse with the mean and the spread of a mask's pixels.

    Its first axis is the one closer to the horizontal, so that it is turned by at most 45 degrees.

    Args:
        mask: (H, W) bool, not empty.

    Returns:
        Centre (x, y) in pixels, radii in pixels, and rotation in degrees, [0, 360).
    """
    y, x = (each + 0.5 for each in np.nonzero(mask))
    centre = (float(x.mean()), float(y.mean()))
    xx, yy = (float(each.var()) + 1 / 12 for each in (x, y))  # 1/12: of one pixel's square
    xy = float(((x - centre[0]) * (y - centre[1])).mean())
    middle, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    larger, smaller = 2 * math.sqrt(middle + half), 2 * math.sqrt(max(middle - half, 1 / 12))
    angle = math.degrees(math.atan2(2 * xy, abs(xx - yy)) / 2) if abs(xy) > _ROUND * middle else 0.0
    radii = (larger, smaller) if xx >= yy else (smaller, larger)
    return centre, radii, (angle if xx >= yy else -angle) % 360
