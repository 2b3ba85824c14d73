"""From masks to polygons along the edges of their pixels.

Libraries that trace contours go through the middles of the outermost pixels, which makes every object half a
pixel smaller on each side. These go around the pixels: filled again, an outline that was not simplified gives
exactly its mask.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]  # corners (n, 2) as (x, y) in pixels


def outlines(mask: NDArray[np.bool_], *, tolerance: float, min_pixels: int) -> list[Ring]:
    """One polygon for each part of a mask, its holes cut in.

    A polygon with holes runs to each hole and back along the same line: filled by the nonzero rule, as Label
    Studio's editor does, or by the even-odd rule, the holes stay empty.

    Args:
        mask: (H, W) bool.
        tolerance: how far a polygon may be from the mask's edge, in pixels; 0: exact.
        min_pixels: smaller parts are left out, and smaller holes filled.
    """
    rings = [ring for ring in _rings(mask) if abs(_area(ring)) >= min_pixels]
    outer = [ring for ring in rings if _area(ring) > 0]
    holes: list[list[Ring]] = [[] for _ in outer]
    for hole in (ring for ring in rings if _area(ring) < 0):
        holes[_owner(hole, outer)].append(hole)
    return [
        _joined(_simplified(ring, tolerance), [_simplified(hole, tolerance) for hole in inside])
        for ring, inside in zip(outer, holes, strict=True)
    ]


def _rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """The closed lines around the mask's pixels, clockwise, and around its holes, the other way.

    Pixels that touch at a corner only are parts of their own.
    """
    following = _steps(mask)
    rings = []
    while following:
        start, heading = next(iter(following))
        corners = []
        place = start
        while (place, heading) in following:
            turned = following.pop((place, heading))
            place = _after(place, heading)
            if turned != heading:
                corners.append(place)
            heading = turned
        rings.append(np.array(corners, np.float64))
    return rings


_Place = tuple[int, int]  # x, y of a corner between pixels
_HEADINGS: tuple[_Place, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up


def _after(place: _Place, heading: int) -> _Place:
    return place[0] + _HEADINGS[heading][0], place[1] + _HEADINGS[heading][1]


def _steps(mask: NDArray[np.bool_]) -> dict[tuple[_Place, int], int]:
    """Each step along an edge, as place and heading with the mask on its right, and where it turns then."""
    padded = np.pad(mask, 1)
    down, across = (np.diff(padded.astype(np.int8), axis=axis) for axis in (0, 1))
    starts = [
        _places(down[:, 1:-1] == 1, (0, 0)),  # right, along the upper edges of pixels
        _places(across[1:-1] == -1, (0, 0)),  # down, along their right edges
        _places(down[:, 1:-1] == -1, (1, 0)),  # left, along their lower edges
        _places(across[1:-1] == 1, (0, 1)),  # up, along their left edges
    ]
    steps = {(place, heading) for heading, places in enumerate(starts) for place in places}
    return {(place, heading): _turned(place, heading, steps) for place, heading in steps}


def _turned(place: _Place, heading: int, steps: set[tuple[_Place, int]]) -> int:
    """To the right where possible: so it stays on the same pixel where two touch at a corner."""
    end = _after(place, heading)
    turns = ((heading + 1) % 4, heading, (heading + 3) % 4)
    return next(turn for turn in turns if (end, turn) in steps)


def _places(where: NDArray[np.bool_], shift: _Place) -> Iterator[_Place]:
    y, x = np.nonzero(where)
    return zip((x + shift[0]).tolist(), (y + shift[1]).tolist(), strict=True)


def _area(ring: Ring) -> float:
    """In pixels; below 0 for the rings of holes."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _owner(hole: Ring, outer: list[Ring]) -> int:
    """Which of the outer rings lies around the hole: the smallest of those that hold a point beside it."""
    around = [i for i, ring in enumerate(outer) if _holds(ring, _beside(hole))]
    return min(around, key=lambda i: _area(outer[i]))


def _beside(hole: Ring) -> NDArray[np.float64]:
    """A point half a pixel from the hole's first edge, on the mask."""
    along = np.sign(hole[1] - hole[0])
    return np.asarray(hole[0] + along / 2 + np.array([-along[1], along[0]]) / 2)


def _holds(ring: Ring, point: NDArray[np.float64]) -> bool:
    (x, y), (next_x, next_y) = (ring - point).T, (np.roll(ring, -1, axis=0) - point).T
    crosses = (y > 0) != (next_y > 0)
    right = x[crosses] - y[crosses] * (next_x[crosses] - x[crosses]) / (next_y[crosses] - y[crosses]) > 0
    return bool(right.sum() % 2)


def _simplified(ring: Ring, tolerance: float) -> Ring:
    """Ramer, Douglas and Peucker's way, on both sides of the two corners that are far apart."""
    if tolerance <= 0:
        return ring
    far = int(np.linalg.norm(ring - ring[0], axis=1).argmax())
    closed = np.vstack([ring, ring[:1]])
    keep = np.zeros(len(closed), np.bool_)
    keep[[0, far, -1]] = True
    parts = [(0, far), (far, len(ring))]
    while parts:
        start, end = parts.pop()
        distances = _distances(closed[start + 1 : end], closed[start], closed[end])
        if len(distances) and distances.max() > tolerance:
            middle = start + 1 + int(distances.argmax())
            keep[middle] = True
            parts += [(start, middle), (middle, end)]
    if keep.sum() <= 3:
        return ring
    return closed[keep][:-1]


def _distances(points: Ring, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each point to the straight line through *start* and *end*; to the point if they are the same."""
    line, (x, y) = end - start, (points - start).T
    length = np.hypot(*line)
    return np.asarray(np.abs(line[0] * y - line[1] * x) / length if length else np.hypot(x, y))


def _joined(ring: Ring, holes: list[Ring]) -> Ring:
    """One ring that goes to each hole and back, by way of the two corners that are closest."""
    for hole in holes:
        gaps = np.linalg.norm(ring[:, None] - hole[None], axis=2)
        here, there = np.unravel_index(gaps.argmin(), gaps.shape)
        around = np.roll(hole, -there, axis=0)
        ring = np.vstack([ring[: here + 1], around, around[:1], ring[here:]])
    return ring
