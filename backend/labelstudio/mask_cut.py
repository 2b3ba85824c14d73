"""A mask kept as what its bounding box shows: many of a large image fit into memory, and compare quickly."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.shapes import bounding_rectangle


@dataclass(frozen=True, eq=False)
class MaskCut:
    """One mask of an image.

    Attributes:
        size_hw: of the image, in pixels.
        top: first row of the box.
        left: first column of the box.
        pixels: the mask within its box, (h, w) bool; (0, 0) where the mask is empty.
        area: pixels of the mask.
    """

    size_hw: tuple[int, int]
    top: int
    left: int
    pixels: NDArray[np.bool_]
    area: int


def cut(mask: NDArray[np.bool_]) -> MaskCut:
    """Cut the mask, (H, W) bool, to its bounding box."""
    size_hw = (mask.shape[0], mask.shape[1])
    if not mask.any():
        return MaskCut(size_hw, 0, 0, np.zeros((0, 0), np.bool_), 0)
    left, top, width, height = bounding_rectangle(mask)
    pixels = mask[top : top + height, left : left + width].copy()
    return MaskCut(size_hw, top, left, pixels, int(np.count_nonzero(pixels)))


def cut_iou(one: MaskCut, other: MaskCut) -> float:
    """Their intersection over union, in [0, 1]; 0 where both are empty, or on images of different sizes."""
    shared = _shared_pixels(one, other) if one.size_hw == other.size_hw else 0
    return shared / (one.area + other.area - shared) if shared else 0.0


def _shared_pixels(one: MaskCut, other: MaskCut) -> int:
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom, right = (
        min(each.top + each.pixels.shape[0] for each in (one, other)),
        min(each.left + each.pixels.shape[1] for each in (one, other)),
    )
    if top >= bottom or left >= right:
        return 0
    first, second = (
        each.pixels[top - each.top : bottom - each.top, left - each.left : right - each.left]
        for each in (one, other)
    )
    return int(np.count_nonzero(first & second))
