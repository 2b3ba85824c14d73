"""What the core finds: one object, its mask, and how sure it is."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.vision.candidate import PART


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

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.pixels.sum())

    @property
    def box_xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the box around its pixels, in pixels of the whole mask."""
        height, width = self.pixels.shape
        return float(self.left), float(self.top), float(self.left + width), float(self.top + height)

    def placed(self, top: int, left: int, size_hw: tuple[int, int]) -> "MaskWindow":
        """The same mask where its image is a window of a larger one.

        Args:
            top: first row of that window.
            left: its first column.
            size_hw: the larger image, in pixels.
        """
        return MaskWindow(self.pixels, self.top + top, self.left + left, size_hw)

    def shared(self, other: "MaskWindow") -> int:
        """Pixels that both masks have."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.pixels.shape[0], other.top + other.pixels.shape[0])
        right = min(self.left + self.pixels.shape[1], other.left + other.pixels.shape[1])
        if bottom <= top or right <= left:
            return 0
        mine, theirs = (
            one.pixels[top - one.top : bottom - one.top, left - one.left : right - one.left]
            for one in (self, other)
        )
        return int((mine & theirs).sum())


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


def without_repeats(instances: Iterable[Instance], *, part: float = PART) -> tuple[Instance, ...]:
    """Order instances by confidence, without those that are the same as a surer one or a part of it.

    Args:
        instances: of one image; views that overlap show some objects twice.
        part: share of the smaller mask from which two masks show one object.
    """
    kept: list[Instance] = []
    for one in sorted(instances, key=lambda instance: -instance.confidence):
        area = one.window.area
        if area and all(
            one.window.shared(other.window) <= part * min(area, other.window.area) for other in kept
        ):
            kept.append(one)
    return tuple(kept)
