"""What a sketch of a mask tells: where the mask may lie, and whether it is worth drawing."""

import torch

from backend.vision.sketch import DOUBT, EMPTY, doubtful, everything, without_unworthy


def test_cells_around_a_promising_one_are_doubtful() -> None:
    """Of 4 x 6 cells one of either mask is close to 0: its eight neighbours may hold pixels, too."""
    sketches = torch.full((2, 4, 6), -DOUBT)
    sketches[0, 0, 0] = sketches[1, 2, 4] = 1 - DOUBT

    cells = doubtful(sketches)

    assert cells.nonzero().tolist() == [
        *([0, 0], [0, 1], [1, 0], [1, 1]),
        *([1, 3], [1, 4], [1, 5], [2, 3], [2, 4], [2, 5], [3, 3], [3, 4], [3, 5]),
    ]


def test_what_is_not_worth_drawing_comes_back_empty() -> None:
    """Judged by the second pixel of the second row of each cell, and by the estimated IoU."""
    logits = torch.zeros(1, 2, 8, 12)
    logits[0, :, 1, 5] = 7.0
    iou = torch.tensor([[0.9, 0.3]])

    kept = without_unworthy(
        logits, iou, lambda sketch, estimate: (sketch.amax((2, 3)) == 7) & (estimate > 0.5)
    )

    assert torch.equal(kept[0, 0], logits[0, 0])
    assert (kept[0, 1] == EMPTY).all()
    assert torch.equal(without_unworthy(logits, iou, everything), logits)
