"""Box regression: where around a place its thing lies, and how large it is, learned from corrected images.

A point says where a thing is, if it lies in its midst, and leaves SAM to guess how large it is. A box leaves
little to guess, and need not be exact. What both encoders see in a cell tells the square that lies as the
thing's own box does, cell by cell (FCOS, "Fully Convolutional One-Stage Object Detector", with a ridge
regression in place of its network, in closed form).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from backend.vision.candidate import HALF_COVERED
from backend.vision.errors import LearnedError
from backend.vision.instance import mask_window
from backend.vision.sam import ImageEmbedding, to_grid

RIDGE = 0.5  # against things: each counts as one, however many cells show it
CELLS = 6  # of a thing, at most
THINGS = 32  # of a label in a view, at most: bounds what is kept of an image, to 0.6 MB a view
RIGHT = 0.5  # IoU from which a box tells SAM which thing is meant
MOST = 512  # things that are learned from: bounds time and memory with many images


@dataclass(frozen=True)
class BoxRegression:
    """Three linear functions of what a cell looks like, in C + D numbers and a bias each.

    Attributes:
        right: how far right of the cell's middle the middle of the thing's box lies, in sides of the square.
        down: how far below it.
        side: logarithm of the side of the square that is as large as the box, in cells.
    """

    right: tuple[float, ...]
    down: tuple[float, ...]
    side: tuple[float, ...]

    def told(self, looks: Tensor) -> Tensor:
        """Say where the things of n cells lie, as ``Placed.targets`` has it, (n, 3) double.

        Args:
            looks: see ``looks_of``, (n, C + D).
        """
        functions = torch.tensor([self.right, self.down, self.side], dtype=torch.float64)
        return looks.double() @ functions[:, :-1].T + functions[:, -1]

    def boxes_xyxy(self, looks: Tensor, embedding: ImageEmbedding) -> Tensor:
        """Squares that lie as the things do that the cells of a view show, in its pixels, (h, w, 4) float.

        They end where the view does, and have a pixel at least.

        Args:
            looks: see ``looks_of``, (C + D, h, w) float.
            embedding: of the view.

        Raises:
            LearnedError: it was learned with other encoders.
        """
        channels, rows, columns = looks.shape
        if {len(self.right), len(self.down), len(self.side)} != {channels + 1}:
            raise LearnedError(
                f"box regression: expected {channels + 1} numbers, one a channel of these encoders and "
                f"a bias, got {len(self.right)}, {len(self.down)} and {len(self.side)}; learn anew with them"
            )
        functions = torch.tensor([self.right, self.down, self.side], device=looks.device)
        shifts, sides = (
            torch.tensordot(functions[:, :-1], looks, dims=1) + functions[:, -1, None, None]
        ).split([2, 1])
        cells = sides.exp().clamp(1, max(rows, columns))
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        middle = torch.stack([x, y]).to(looks) + 0.5 + shifts * cells
        per_cell = torch.tensor(pixels_per_cell(embedding)).to(looks)[:, None, None]
        height, width = embedding.size_hw
        last = torch.tensor([width - 1.0, height - 1.0]).to(looks)[:, None, None]
        low = ((middle - cells / 2) * per_cell).clamp_min(0).minimum(last)
        high = ((middle + cells / 2) * per_cell).minimum(last + 1).maximum(low + 1)
        return torch.cat([low, high]).permute(1, 2, 0)


@dataclass(frozen=True, eq=False)
class Placed:
    """Cells that show a thing.

    Attributes:
        looks: what they look like, (k, C + D) float16.
        targets: what a ``BoxRegression`` should say of each, right, down and side, (k, 3) float.
    """

    looks: Tensor
    targets: Tensor


def looks_of(embedding: ImageEmbedding, dense: Tensor) -> Tensor:
    """What each cell of a view looks like to both encoders, (C + D, h, w) float.

    Args:
        embedding: of the view.
        dense: the semantic encoder's map of it, (D, h, w) float.
    """
    return torch.cat([normalize(embedding.features.float(), dim=0), dense.to(embedding.features.device)])


def placed(things: Sequence[NDArray[np.bool_]], embedding: ImageEmbedding, looks: Tensor) -> Iterator[Placed]:
    """Give some cells of things that a view shows whole; the same for the same things.

    Args:
        things: in the view, (H, W) bool each, none empty.
        embedding: of the view.
        looks: see ``looks_of``.
    """
    ordered = sorted(things, key=lambda mask: int(mask.sum()))
    for mask in ordered[:: max(1, -(-len(ordered) // THINGS))]:
        coverage = to_grid(mask, embedding)
        cells = (coverage >= min(HALF_COVERED, float(coverage.max()))).nonzero()
        cells = cells[np.random.default_rng(len(cells)).permutation(len(cells))[:CELLS]]
        box = np.array(mask_window(mask).box_xyxy) / np.tile(pixels_per_cell(embedding), 2)
        left, top, right, bottom = box.tolist()
        side = float(np.sqrt((right - left) * (bottom - top)))
        middle = torch.tensor([left + right, top + bottom]) / 2
        away = (middle - 0.5 - cells.flip(1).cpu()) / side
        targets = torch.cat([away, torch.full((len(cells), 1), float(np.log(side)))], dim=1)
        yield Placed(looks[:, cells[:, 0], cells[:, 1]].T.half().cpu(), targets)


def share_right(boxes: BoxRegression, things: Sequence[Placed]) -> float:
    """Share of these things, at least one, whose box half of their cells tell with an IoU of 0.5."""
    ious = [_squares_iou(boxes.told(one.looks), one.targets.double()) for one in things]
    return fmean(2 * int((each >= RIGHT).sum()) >= len(each) for each in ious)


def _squares_iou(told: Tensor, true: Tensor) -> Tensor:
    """IoU of squares that lie by the same cells, (n, 3) float each as ``Placed.targets``; (n,)."""
    sides = [one[:, 2:].exp() for one in (told, true)]
    middles = [one[:, :2] * side for one, side in zip((told, true), sides, strict=True)]
    low, high = (
        [middle + sign * side / 2 for middle, side in zip(middles, sides, strict=True)] for sign in (-1, 1)
    )
    both = (torch.minimum(*high) - torch.maximum(*low)).clamp_min(0).prod(dim=1)
    areas = sides[0][:, 0] ** 2 + sides[1][:, 0] ** 2
    return both / (areas - both)


def pixels_per_cell(embedding: ImageEmbedding) -> tuple[float, float]:
    """How wide and how high a cell is, in pixels of the image."""
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    rows, columns = embedding.grid_hw
    return (
        width / resized_width * embedding.input_size / columns,
        height / resized_height * embedding.input_size / rows,
    )


def regressed(shown: Sequence[Placed]) -> BoxRegression | None:
    """Learn from the things of reviewed images; None if there is none."""
    if not shown:
        return None
    shown = shown[:: -(-len(shown) // MOST)]
    looks = torch.cat([one.looks for one in shown]).double()
    targets = torch.cat([one.targets for one in shown]).double()
    counts = torch.cat([torch.full((len(one.looks), 1), 1 / len(one.looks)) for one in shown]).double()
    middle, usual = ((each * counts).sum(dim=0) / counts.sum() for each in (looks, targets))
    rows = (looks - middle) * counts.sqrt()
    kernel = rows @ rows.T + RIDGE * torch.eye(len(rows), dtype=torch.float64)
    weights = rows.T @ torch.linalg.solve(kernel, (targets - usual) * counts.sqrt())  # (C + D, 3)
    functions = torch.cat([weights, (usual - middle @ weights)[None]]).T.tolist()
    return BoxRegression(*(tuple(float(f"{value:.4g}") for value in one) for one in functions))
