"""A window of an embedding's grid: what is cut out of maps, and put back."""

import pytest
import torch

from backend.vision.cell_window import LEAST_SIDE, CellWindow, window_around
from backend.vision.guidance import Guidance
from backend.vision.sketch import EMPTY

WINDOW = CellWindow(top=1, left=3, side=2, grid_side=6)


def test_the_tokens_of_its_cells_come_row_by_row() -> None:
    """Rows 1 and 2, columns 3 and 4 of six: each token holds its cell's number, and twice that."""
    numbers = torch.arange(36)

    tokens = WINDOW.rows(torch.stack([numbers, 2 * numbers], dim=1)[None])

    assert tokens.tolist() == [[[9, 18], [10, 20], [15, 30], [16, 32]]]


def test_a_finer_map_is_cut_at_the_same_place() -> None:
    """Twice as many rows and columns: rows 2 to 5, columns 6 to 9."""
    finer = torch.arange(12)[:, None] * 100 + torch.arange(12)

    part = WINDOW.cut(finer[None])

    assert part.shape == (1, 4, 4)
    assert (int(part[0, 0, 0]), int(part[0, -1, -1])) == (206, 509)


def test_what_is_put_back_is_empty_around() -> None:
    """Of 12 x 12 logits the window's 4 x 4."""
    logits = torch.arange(16.0).view(1, 1, 4, 4)

    placed = WINDOW.placed(logits)

    assert placed.shape == (1, 1, 12, 12)
    assert WINDOW.cut(placed).equal(logits)
    assert int((placed == EMPTY).sum()) == 144 - 16


def test_masks_of_a_window_are_judged_in_the_whole_grid() -> None:
    """The sketch of a cell lies where the cell does."""
    asked: list[torch.Tensor] = []

    def worth(sketch: torch.Tensor, iou: torch.Tensor) -> torch.Tensor:
        asked.append(sketch)
        return iou > 0.5

    worthy = WINDOW.worth(worth)(torch.full((1, 2, 2, 2), 7.0), torch.tensor([[0.4, 0.6]]))

    assert worthy.tolist() == [[False, True]]
    assert (asked[0] == 7).nonzero()[:4, 2:].tolist() == [[1, 3], [1, 4], [2, 3], [2, 4]]


def test_guidance_is_that_of_its_cells() -> None:
    """The target stays."""
    similarity, target = torch.arange(36.0).view(6, 6), torch.ones(3)

    guidance = WINDOW.guided(Guidance("hf", similarity, target))

    assert guidance.attention_similarity.tolist() == [[9, 10], [15, 16]]
    assert guidance.target_embedding is target


@pytest.mark.parametrize(
    ("window", "clips"),
    [
        (CellWindow(1, 3, 2, 6), True),
        (CellWindow(0, 3, 3, 6), True),
        (CellWindow(0, 2, 4, 6), False),
        (CellWindow(0, 0, 6, 6), False),
    ],
    ids=["on all sides", "right and below", "in the middle of it", "all of the grid"],
)
def test_a_mask_is_cut_off_where_a_window_ends_inside_the_image(window: CellWindow, *, clips: bool) -> None:
    """It covers the first three rows of cells 3 and 4; the image's own edge cuts nothing off."""
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[0:6, 6:10] = True

    assert window.clips(mask) is clips


def test_a_window_is_as_large_as_asked_and_stays_in_the_grid() -> None:
    """36 cells around row 40.5, column 2.5 of 64: it begins at row 22, and at the first column."""
    assert window_around(40.5, 2.5, 35.2, 64) == CellWindow(top=22, left=0, side=36, grid_side=64)
    assert window_around(63.5, 63.5, 35.2, 64) == CellWindow(top=28, left=28, side=36, grid_side=64)


def test_around_a_small_object_there_is_room_to_tell_where_it_ends() -> None:
    """However small it is."""
    assert window_around(32, 32, 1, 64) == window_around(32, 32, LEAST_SIDE, 64)


def test_nearly_all_of_the_grid_is_no_window() -> None:
    """55 of 64 cells would save little, and of eight there is nothing to save."""
    assert window_around(32, 32, 54.5, 64) is None
    assert window_around(4, 4, 1, 8) is None
