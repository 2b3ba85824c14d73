"""Masks cut to their boxes, on images of a few pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.labelstudio.mask_cut import cut, cut_iou

MASKS = arrays(np.bool_, (4, 6))


def test_a_cut_is_what_the_box_shows() -> None:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = [[True, False, True], [False, True, False]]

    found = cut(mask)

    assert (found.size_hw, found.top, found.left, found.area) == ((4, 6), 1, 2, 3)
    assert found.pixels.tolist() == [[True, False, True], [False, True, False]]


@given(MASKS, MASKS)
def test_the_iou_of_two_cuts_is_that_of_their_masks(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> None:
    union = np.count_nonzero(one | other)
    expected = np.count_nonzero(one & other) / union if union else 0

    assert cut_iou(cut(one), cut(other)) == expected


@given(st.integers(1, 5), st.integers(1, 5))
def test_masks_of_other_sizes_have_nothing_in_common(height: int, width: int) -> None:
    same = (height, width) == (3, 5)

    assert cut_iou(cut(np.ones((3, 5), bool)), cut(np.ones((height, width), bool))) == float(same)


@pytest.mark.parametrize("shape", [(0, 0), (3, 5)])
def test_an_empty_mask_has_no_pixels(shape: tuple[int, int]) -> None:
    assert (cut(np.zeros(shape, bool)).area, cut(np.zeros(shape, bool)).pixels.shape) == (0, (0, 0))
