"""Outlines are moved inwards and outwards by parts of a pixel, on masks small enough to count."""

import pytest
import torch
from torch import Tensor

from backend.vision.inset import INSETS, inset
from tests.vision.made_by_hand import embedding


def box(top: int, left: int, height: int, width: int) -> Tensor:
    """Logits of a box: 1 inside, -1 outside, so that the outline lies half way between two pixels."""
    logits = torch.full((16, 16), -1.0)
    logits[top : top + height, left : left + width] = 1
    return logits


def rows_and_columns(logits: Tensor) -> tuple[list[int], list[int]]:
    """First and last row, and first and last column, of what is above 0."""
    rows, columns = (logits > 0).nonzero().T
    return [int(rows.min()), int(rows.max())], [int(columns.min()), int(columns.max())]


@pytest.mark.parametrize(
    ("by", "rows", "columns"),
    [(0.0, [4, 7], [3, 10]), (1.0, [5, 6], [4, 9]), (-1.0, [3, 8], [2, 11]), (-2.0, [2, 9], [1, 12])],
)
def test_an_outline_moves_by_whole_pixels(by: float, rows: list[int], columns: list[int]) -> None:
    """A box of 4 x 8: inwards above 0, outwards below."""
    moved = inset(box(4, 3, 4, 8), by, embedding(64, 64))

    assert rows_and_columns(moved) == (rows, columns)


def test_an_outline_moves_by_half_a_pixel() -> None:
    """Logits that fall by 1 a pixel to either side of column 7.5: each falls by a half, or rises by it."""
    across = 3.25 - (torch.arange(16) - 7.5).abs()
    logits = across.expand(16, 16)

    inwards, outwards = (inset(logits, by, embedding(64, 64)) for by in (0.5, -0.5))

    assert inwards[8, 4:7].tolist() == pytest.approx((across[4:7] - 0.5).tolist(), abs=1e-3)
    assert outwards[8, 4:7].tolist() == pytest.approx((across[4:7] + 0.5).tolist(), abs=1e-3)


def test_an_outline_stays_where_the_image_ends() -> None:
    """The image shows rows 0 to 11; the box reaches the lower border, and both sides."""
    moved = inset(box(6, 0, 6, 16), 1.0, embedding(48, 64))

    assert rows_and_columns(moved) == ([7, 11], [0, 15])
    assert torch.equal(moved[12:], torch.full((4, 16), -1.0))


def test_what_would_vanish_is_left_as_it_is() -> None:
    """A speck of two pixels, and a mask without any."""
    speck, nothing = box(4, 4, 1, 2), torch.full((16, 16), -1.0)

    assert inset(speck, 1.0, embedding(64, 64)) is speck
    assert inset(nothing, -1.0, embedding(64, 64)) is nothing


def test_nothing_far_from_the_outline_changes() -> None:
    """Only what is within its reach, and the logits that were given not at all."""
    logits = box(2, 2, 4, 4)
    before = logits.clone()

    moved = inset(logits, -1.0, embedding(64, 64))

    assert torch.equal(logits, before)
    assert torch.equal(moved[9:], before[9:])
    assert torch.equal(moved[:, 9:], before[:, 9:])


def test_of_equals_an_outline_stays_where_it_is() -> None:
    """Lessons take the first of equals."""
    assert INSETS[0] == 0
    assert sorted(INSETS) == sorted(-by for by in INSETS)
