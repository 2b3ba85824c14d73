"""Polygons around masks: exact without tolerance, few corners with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.labelstudio.outlines import outlines
from backend.labelstudio.shapes import ellipse_mask, polygon_mask

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 12)))


def filled(rings: list[NDArray[np.float64]], size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = np.zeros(size_hw, bool)
    for ring in rings:
        mask |= polygon_mask(ring, (size_hw[0], size_hw[1]))
    return mask


@given(MASKS)
def test_outlines_without_tolerance_filled_again_are_the_mask(mask: NDArray[np.bool_]) -> None:
    """Whatever its parts, holes, parts in holes, and pixels that touch at a corner."""
    assert np.array_equal(filled(outlines(mask, tolerance=0, min_pixels=1), mask.shape), mask)


@given(MASKS, st.floats(0, 3))
def test_any_mask_has_outlines_within_the_image(mask: NDArray[np.bool_], tolerance: float) -> None:
    for ring in outlines(mask, tolerance=tolerance, min_pixels=1):
        assert len(ring) >= 3
        assert ring.min() >= 0
        assert (ring <= mask.shape[::-1]).all()


def test_a_box_has_its_four_corners() -> None:
    mask = np.zeros((4, 7), bool)
    mask[1:3, 2:6] = True

    (ring,) = outlines(mask, tolerance=1, min_pixels=4)

    assert sorted(map(tuple, ring.tolist())) == [(2, 1), (2, 3), (6, 1), (6, 3)]


def test_a_hole_is_cut_in_by_a_line_there_and_back() -> None:
    mask = np.ones((6, 8), bool)
    mask[2:4, 3:6] = False

    (ring,) = outlines(mask, tolerance=1, min_pixels=4)

    assert len(ring) == 4 + 4 + 2  # both rings, and the ends of the line once more
    assert np.array_equal(polygon_mask(ring, (6, 8)), mask)


def test_parts_are_polygons_of_their_own_without_specks_and_small_holes_are_filled() -> None:
    mask = np.zeros((8, 14), bool)
    mask[1:7, 1:7] = True
    mask[3, 3] = False
    mask[2:5, 9:12] = True
    mask[7, 13] = True

    rings = outlines(mask, tolerance=0, min_pixels=4)

    assert sorted(len(ring) for ring in rings) == [4, 4]
    assert filled(rings, mask.shape).sum() == 36 + 9


@pytest.mark.parametrize(("tolerance", "most"), [(0.5, 163), (1.0, 40), (2.0, 20)])
def test_a_round_thing_has_fewer_corners_the_larger_the_tolerance_is(tolerance: float, most: int) -> None:
    """Of 164; and the edge is nowhere further away than that."""
    mask = ellipse_mask((60, 45), (40, 30), 0, (90, 120))
    (exact,) = outlines(mask, tolerance=0, min_pixels=4)

    (ring,) = outlines(mask, tolerance=tolerance, min_pixels=4)

    following = np.roll(ring, -1, axis=0)
    for point in exact:
        along = np.clip(((point - ring) * (following - ring)).sum(1) / ((following - ring) ** 2).sum(1), 0, 1)
        nearest = np.linalg.norm(ring + along[:, None] * (following - ring) - point, axis=1).min()
        assert nearest <= tolerance + 1e-9
    assert len(exact) == 164
    assert len(ring) <= most
