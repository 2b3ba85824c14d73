"""Instances are checked when they are made, and hold no more than their pixels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.vision.instance import Instance, mask_window

MASK = np.zeros((3, 5), dtype=np.bool_)


def test_a_window_holds_only_the_box_around_the_pixels() -> None:
    """3 x 5, two pixels side by side in the last row: rows and columns must not be swapped."""
    mask = MASK.copy()
    mask[2, 1:3] = True

    window = mask_window(mask)

    assert (window.top, window.left, window.pixels.tolist()) == (2, 1, [[True, True]])


@given(arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_a_window_gives_back_the_whole_mask(mask: NDArray[np.bool_]) -> None:
    """Whatever the mask, empty and full ones too."""
    instance = Instance("coin", mask_window(mask), 0.9, -0.2)

    assert np.array_equal(instance.mask, mask)


@pytest.mark.parametrize("mask", [MASK.astype(np.uint8), MASK[0]])
def test_what_is_no_mask_is_refused(mask: NDArray[Any]) -> None:
    """With what was expected and what was there."""
    with pytest.raises(ValueError, match=r"expected \(H, W\) bool, got"):
        mask_window(mask)


@pytest.mark.parametrize(
    ("confidence", "similarity", "message"),
    [
        (1.2, 0.5, "confidence: .* got 1.2"),
        (float("nan"), 0.5, "confidence: .* got nan"),
        (0.9, -1.5, "similarity: .* got -1.5"),
    ],
)
def test_what_cannot_be_is_refused(confidence: float, similarity: float, message: str) -> None:
    """With what was expected and what was there."""
    with pytest.raises(ValueError, match=message):
        Instance("coin", mask_window(MASK), confidence, similarity)
