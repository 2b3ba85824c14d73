"""Views: an image as a whole, or in overlapping tiles where the thing is too small for one embedding."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ENOUGH_CELLS = 6  # along the side of an object; with fewer, masks of neighbours run together
Pixel = TypeVar("Pixel", bound=np.generic)
ENCODED_SIDE = 1024  # of what the image encoders of SAM and its kin see, in pixels
MAX_TILES = 9  # of an image, unless told
OVERLAP = 0.25  # of a tile: what a border cuts in one lies whole in the next


@dataclass(frozen=True)
class View:
    """A window of an image, in pixels.

    Attributes:
        top: first row.
        left: first column.
        size_hw: of the window.
        image_hw: of the image.
    """

    top: int
    left: int
    size_hw: tuple[int, int]
    image_hw: tuple[int, int]

    @property
    def whole(self) -> bool:
        """True if it shows all of the image."""
        return self.size_hw == self.image_hw

    def cut(self, pixels: NDArray[Pixel]) -> NDArray[Pixel]:
        """Cut the window out of an image or a mask, (h, w, ...): no copy of a whole one."""
        height, width = self.size_hw
        window = pixels[self.top : self.top + height, self.left : self.left + width]
        return window if self.whole else np.ascontiguousarray(window)

    @property
    def inner_edges(self) -> tuple[bool, bool, bool, bool]:
        """Which of top, bottom, left and right lie inside the image: what touches them may be cut."""
        (height, width), (image_height, image_width) = self.size_hw, self.image_hw
        bottom, right = self.top + height, self.left + width
        return self.top > 0, bottom < image_height, self.left > 0, right < image_width


def views(image_hw: tuple[int, int], scale: int) -> tuple[View, ...]:
    """Cover an image by windows that overlap, *scale* of them along its longer side, row by row.

    All are as high as they are wide, as far as the image goes: the embedding is of a square. Scale 1 is the
    image itself.
    """
    tile = _tile_side(image_hw, scale)
    height, width = (min(side, tile) for side in image_hw)
    return tuple(
        View(top, left, (height, width), image_hw)
        for top in _starts(image_hw[0], tile, image_hw, scale)
        for left in _starts(image_hw[1], tile, image_hw, scale)
    )


def view_around(mask: NDArray[np.bool_], scale: int) -> View:
    """Place a window of the size of ``views`` around a mask, as far as the image goes.

    Around the middle of its box; or, where that shows more of a mask in pieces, around a pixel in its midst.

    Args:
        mask: (H, W) bool, not empty.
        scale: windows along each side of the image.
    """
    row, column = (
        (int(found[0]) + int(found[-1])) // 2 for found in (_occupied(mask, 1), _occupied(mask, 0))
    )
    midst = int(np.searchsorted(mask.sum(axis=1).cumsum(), mask.sum() / 2))
    inside = np.flatnonzero(mask[midst])
    around = [_view_at(row, column, mask, scale), _view_at(midst, int(inside[len(inside) // 2]), mask, scale)]
    return max(around, key=lambda view: int(view.cut(mask).sum()))


def scale_for(cells: float) -> int:
    """Say how many windows along a side show the thing well.

    Args:
        cells: area of the object in the whole image, in cells of the embedding.
    """
    return max(1, round(ENOUGH_CELLS / math.sqrt(max(cells, 1e-3))))


def tile_length(longer: float, scale: int) -> float:
    """How long a tile's side is where *longer* is its image's longer side, in whatever unit.

    *scale* tiles cover the longer side with an overlap of about ``OVERLAP``.
    """
    return longer if scale == 1 else longer * (1 + OVERLAP) / scale


def enough_side(max_tiles: int) -> int:
    """Pixels along an image's longer side with which its finest tiles fill the encoder's square.

    Args:
        max_tiles: bound on the tiles of an image.
    """
    return math.ceil(ENCODED_SIDE / tile_length(1.0, math.isqrt(max_tiles)))


def _view_at(row: int, column: int, mask: NDArray[np.bool_], scale: int) -> View:
    image_hw = mask.shape[0], mask.shape[1]
    height, width = (min(side, _tile_side(image_hw, scale)) for side in image_hw)
    top, left = (
        min(max(at - side // 2, 0), whole - side)
        for at, side, whole in zip((row, column), (height, width), image_hw, strict=True)
    )
    return View(top, left, (height, width), image_hw)


def _occupied(mask: NDArray[np.bool_], axis: int) -> NDArray[np.intp]:
    return np.flatnonzero(mask.any(axis=axis))


def _tile_side(image_hw: tuple[int, int], scale: int) -> int:
    """The same in whole pixels."""
    return math.ceil(tile_length(max(image_hw), scale))


def _starts(side: int, tile: int, image_hw: tuple[int, int], scale: int) -> list[int]:
    """Evenly spread offsets of tiles along a side, each once, no farther apart than on the longer side."""
    room = side - tile
    if room <= 0:
        return [0]
    step = (max(image_hw) - tile) / (scale - 1)
    gaps = math.ceil(room / step)
    return sorted({round(number * room / gaps) for number in range(gaps + 1)})
