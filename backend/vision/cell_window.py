"""The part of an image where a prompt's object can be: far from it, the mask decoder need not look.

Beyond SAM, whose mask decoder reads and rewrites all 4096 cells for each prompt. Of an object whose size is
known roughly, those around the place tell as much, and take a fraction of the time.
"""

import math
from dataclasses import dataclass, replace

from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.sketch import EMPTY, Worth

LEAST_SIDE = 32  # cells: what is around an object tells where it ends
MOST_SHARE = 0.85  # of the grid's side: a larger window saves nothing


@dataclass(frozen=True)
class CellWindow:
    """A square of an embedding's grid.

    Attributes:
        top: first row, in cells.
        left: first column, in cells.
        side: in cells.
        grid_side: of the whole grid, in cells.
    """

    top: int
    left: int
    side: int
    grid_side: int

    def rows(self, tokens: Tensor) -> Tensor:
        """Its part of a token for each cell, row by row, (..., grid * grid, C) to (..., side * side, C)."""
        grid = tokens.reshape(*tokens.shape[:-2], self.grid_side, self.grid_side, tokens.shape[-1])
        top, left, side = self.top, self.left, self.side
        return grid[..., top : top + side, left : left + side, :].flatten(-3, -2)

    def cut(self, maps: Tensor) -> Tensor:
        """Its part of maps with k times as many rows and columns, (..., k * side, k * side)."""
        times = maps.shape[-1] // self.grid_side
        top, left, side = self.top * times, self.left * times, self.side * times
        return maps[..., top : top + side, left : left + side]

    def placed(self, logits: Tensor) -> Tensor:
        """Logits (..., k * side, k * side) where they belong; EMPTY around, (..., k * grid, k * grid)."""
        whole = self.grid_side * (logits.shape[-1] // self.side)
        placed = logits.new_full((*logits.shape[:-2], whole, whole), EMPTY)
        self.cut(placed).copy_(logits)
        return placed

    def guided(self, guidance: Guidance) -> Guidance:
        """The guidance of its cells."""
        return replace(guidance, attention_similarity=self.cut(guidance.attention_similarity))

    def worth(self, worth: Worth) -> Worth:
        """Ask *worth*, which knows the whole grid, about sketches of the window."""
        return lambda sketch, iou: worth(self.placed(sketch), iou)

    def clips(self, mask: Tensor) -> bool:
        """True if a mask (4h, 4w) bool of the whole grid ends where the window does, inside the image."""
        inside, end = self.cut(mask), (self.top + self.side, self.left + self.side)
        edges = [
            (self.top > 0, inside[0]),
            (self.left > 0, inside[:, 0]),
            (end[0] < self.grid_side, inside[-1]),
            (end[1] < self.grid_side, inside[:, -1]),
        ]
        return any(inner and bool(edge.any()) for inner, edge in edges)


def window_around(row: float, column: float, extent: float, grid_side: int) -> CellWindow | None:
    """Place a window around a cell, as far as the grid goes.

    Args:
        row: of the cell.
        column: of the cell.
        extent: side of the window that is wanted, in cells; it has ``LEAST_SIDE`` at least.
        grid_side: cells along a side of the grid.

    Returns:
        The window; None where it would be nearly all of the grid.
    """
    side = max(LEAST_SIDE, math.ceil(extent))
    if side > MOST_SHARE * grid_side:
        return None
    top, left = (min(max(round(at - side / 2), 0), grid_side - side) for at in (row, column))
    return CellWindow(top, left, side, grid_side)
