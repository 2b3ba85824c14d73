"""What the core finds: one object, its mask, and how sure it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class MaskWindow:
    """A mask, kept only where it has pixels: hundreds of instances of a large image stay small.

    Args:
        pixels: the part of the mask that holds all of its pixels, (h, w) bool.
        top: first row of that part.
        left: first column of that part.
        size_hw: the whole mask, in pixels.
    """

    pixels: NDArray[np.bool_]
    top: int
    left: int
    size_hw: tuple[int, int]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The whole mask, (H, W) bool, made anew each time."""
        mask = np.zeros(self.size_hw, dtype=np.bool_)
        height, width = self.pixels.shape
        mask[self.top : self.top + height, self.left : self.left + width] = self.pixels
        return mask


def mask_window(mask: NDArray[np.bool_]) -> MaskWindow:
    """Cut a mask down to the box around its pixels.

    Args:
        mask: (H, W) bool; may be empty.

    Raises:
        ValueError: another shape or dtype.
    """
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise ValueError(f"mask: expected (H, W) bool, got {mask.shape} {mask.dtype}")
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = (*rows[[0, -1]], *columns[[0, -1]]) if len(rows) else (0, -1, 0, -1)
    pixels = mask[top : bottom + 1, left : right + 1].copy()
    return MaskWindow(pixels, int(top), int(left), (mask.shape[0], mask.shape[1]))


@dataclass(frozen=True, eq=False)
class Instance:
    """One found object.

    Args:
        label: the label of the reference it resembles most.
        window: its pixels in the test image.
        confidence: how much to trust it, in [0, 1]; orders the instances of an image and of different images.
        similarity: cosine of its semantic vector with the reference's, in [-1, 1].
    """

    label: str
    window: MaskWindow
    confidence: float
    similarity: float

    def __post_init__(self) -> None:
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence: expected a value in [0, 1], got {self.confidence}")
        if not -1 <= self.similarity <= 1:
            raise ValueError(f"similarity: expected a value in [-1, 1], got {self.similarity}")

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its pixels in the test image, (H, W) bool, made anew each time."""
        return self.window.mask
