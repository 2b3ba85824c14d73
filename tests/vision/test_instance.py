"""Instances are checked when they are made, and hold no more than their pixels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.vision.instance import Instance, mask_window, without_repeats

MASK = np.zeros((3, 5), dtype=np.bool_)
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 6)))


def found(rows: slice, columns: slice, confidence: float, *, label: str = "coin") -> Instance:
    """A box in an image of 3 x 5."""
    mask = MASK.copy()
    mask[rows, columns] = True
    return Instance(label, mask_window(mask), confidence, 0.5)


def test_a_window_holds_only_the_box_around_the_pixels() -> None:
    """3 x 5, two pixels side by side in the last row: rows and columns must not be swapped."""
    mask = MASK.copy()
    mask[2, 1:3] = True

    window = mask_window(mask)

    assert (window.top, window.left, window.pixels.tolist()) == (2, 1, [[True, True]])


def test_the_box_of_a_window_ends_behind_its_last_pixel() -> None:
    """Rows 4 to 11 and columns 20 to 37."""
    mask = np.zeros((40, 64), dtype=np.bool_)
    mask[4:12, 20:38] = True

    assert mask_window(mask).box_xyxy == (20, 4, 38, 12)


@given(MASKS)
def test_a_window_gives_back_the_whole_mask(mask: NDArray[np.bool_]) -> None:
    """Whatever the mask, empty and full ones too."""
    instance = Instance("coin", mask_window(mask), 0.9, -0.2)

    assert np.array_equal(instance.mask, mask)
    assert instance.window.area == mask.sum()


@given(MASKS, st.tuples(*[st.integers(0, 4)] * 4))
def test_a_placed_window_is_the_mask_in_its_part_of_the_larger_image(
    mask: NDArray[np.bool_], around: tuple[int, int, int, int]
) -> None:
    """Rows above, rows below, columns to the left and to the right: a tile and what it was cut from."""
    above, below, left, right = around
    larger = np.pad(mask, ((above, below), (left, right)))

    placed = mask_window(mask).placed(above, left, (larger.shape[0], larger.shape[1]))

    assert np.array_equal(placed.mask, larger)


@given(st.data())
def test_windows_share_the_pixels_that_the_whole_masks_share(data: st.DataObject) -> None:
    """Also where one is empty, or the boxes lie apart."""
    size = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    mask, other = (data.draw(arrays(np.bool_, size)) for _ in range(2))
    window, other_window = mask_window(mask), mask_window(other)

    assert window.shared(other_window) == other_window.shared(window) == (mask & other).sum()


@given(MASKS, MASKS, st.tuples(*[st.integers(0, 4)] * 4))
def test_windows_of_overlapping_tiles_share_what_they_share_in_the_image(
    mask: NDArray[np.bool_], other: NDArray[np.bool_], at: tuple[int, int, int, int]
) -> None:
    """Each in a tile of its own size, both in one image of 10 x 10."""
    placed = mask_window(mask).placed(at[0], at[1], (10, 10))
    other_placed = mask_window(other).placed(at[2], at[3], (10, 10))

    assert placed.shared(other_placed) == (placed.mask & other_placed.mask).sum()


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


def test_instances_are_ordered_by_confidence() -> None:
    """The surest first; neighbours that share little stay."""
    unsure, sure = found(slice(0, 2), slice(0, 3), 0.4), found(slice(0, 2), slice(2, 5), 0.9)

    assert without_repeats([unsure, sure]) == (sure, unsure)


@pytest.mark.parametrize("label", ["coin", "button"])
def test_what_a_surer_instance_shows_already_goes(label: str) -> None:
    """The same object from two tiles, a part of it, and more than it; whatever they are called."""
    surest = found(slice(0, 2), slice(0, 3), 0.9)
    same = found(slice(0, 2), slice(0, 4), 0.8, label=label)
    part = found(slice(0, 1), slice(1, 3), 0.7, label=label)
    more = found(slice(0, 3), slice(0, 5), 0.6, label=label)

    assert without_repeats([part, surest, more, same]) == (surest,)


def test_an_instance_without_pixels_goes() -> None:
    """It would be suppressed by nothing."""
    assert without_repeats([Instance("coin", mask_window(MASK), 0.9, 0.5)]) == ()


def test_what_was_dropped_drops_nothing() -> None:
    """The second repeats the first; the third is a repeat of the second alone, and stays."""
    first, second = found(slice(0, 1), slice(0, 3), 0.9), found(slice(0, 1), slice(1, 4), 0.8)
    third = found(slice(0, 1), slice(2, 5), 0.7)

    assert without_repeats([first, second, third]) == (first, third)
