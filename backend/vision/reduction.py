"""Images decoded at reduced size: the core works on their pixels, and answers in the image's own."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.vision.errors import ImageError, MaskSizeError
from backend.vision.instance import MaskWindow, mask_window

FACTORS = (1, 2, 4, 8)  # what JPEG decoders can do


@dataclass(frozen=True)
class Reduction:
    """How the pixels that were decoded lie in the image.

    Attributes:
        times: the image's own pixels that one of them shows along each side, from the upper left corner on;
            the last ones may show fewer.
        size_hw: of the image in its own pixels.
    """

    times: int
    size_hw: tuple[int, int]

    @classmethod
    def of(cls, reduced_hw: tuple[int, ...], size_hw: tuple[int, int] | None) -> Self:
        """How an image was reduced.

        Args:
            reduced_hw: pixels that were decoded, height and width.
            size_hw: of the image in its own pixels; None: it was not reduced.

        Raises:
            ImageError: an image of *size_hw* has not so many pixels at any size that a decoder makes.
        """
        if size_hw is None:
            return cls(1, (reduced_hw[0], reduced_hw[1]))
        for times in FACTORS:
            if tuple(reduced_hw) == tuple(-(-side // times) for side in size_hw):
                return cls(times, size_hw)
        raise ImageError(
            f"expected {size_hw} pixels (height, width), or these divided by 2, 4 or 8, got {reduced_hw}"
        )

    def point_xy(self, point_xy: tuple[float, float]) -> tuple[float, float]:
        """A place in the pixels that were decoded; in both, the upper left corner is (0, 0)."""
        x, y = point_xy
        return x / self.times, y / self.times

    def box_xyxy(self, box_xyxy: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box in the pixels that were decoded."""
        left, top, right, bottom = box_xyxy
        return *self.point_xy((left, top)), *self.point_xy((right, bottom))

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask in the pixels that were decoded: those it covers at least by half, or most if it is tiny.

        Args:
            mask: in the image's own pixels, (H, W) bool.

        Raises:
            MaskSizeError: it has another size than the image.
        """
        if mask.shape != self.size_hw:
            raise MaskSizeError(
                f"mask: expected (height, width) = {self.size_hw} as its image, got {mask.shape}"
            )
        if self.times == 1:
            return mask
        height, width = self.size_hw
        rows, columns = (range(0, side, self.times) for side in self.size_hw)
        counts = np.add.reduceat(np.add.reduceat(mask, rows, axis=0, dtype=np.uint8), columns, axis=1)
        heights, widths = (
            np.minimum(self.times, side - np.arange(0, side, self.times)) for side in (height, width)
        )
        share = counts / np.outer(heights, widths)
        return np.asarray(share >= min(0.5, share.max() or 1.0))

    def window(self, drawn: MaskWindow, top: int, left: int) -> MaskWindow:
        """Place a mask of a view in the image; what lies beyond the image's edges is cut off.

        Args:
            drawn: in the image's own pixels.
            top: first row of the view, in the pixels that were decoded.
            left: its first column.
        """
        placed = drawn.placed(top * self.times, left * self.times, self.size_hw)
        height, width = (
            max(0, side - start) for side, start in zip(self.size_hw, (placed.top, placed.left), strict=True)
        )
        if placed.pixels.shape[0] <= height and placed.pixels.shape[1] <= width:
            return placed
        inside = mask_window(placed.pixels[:height, :width])
        return inside.placed(placed.top, placed.left, self.size_hw)
