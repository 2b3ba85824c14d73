"""Masks without the parts that are too small to be meant."""

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.shapes import bounding_rectangle

SPECK_PIXELS = 4
_SHARE = 0.01
_TOUCHING = np.ones((3, 3), bool)  # at a corner, too


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out parts of fewer than four pixels, or of less than a hundredth of the largest part.

    Args:
        mask: one thing, (H, W) bool; its largest part stays in any case.

    Returns:
        (H, W) bool; *mask* itself if nothing is left out.
    """
    from scipy.ndimage import label

    if not mask.any():
        return mask
    left, top, width, height = bounding_rectangle(mask)
    window = np.s_[top : top + height, left : left + width]
    parts, number = label(mask[window], _TOUCHING)
    sizes = np.bincount(parts.ravel(), minlength=number + 1)
    sizes[0] = 0
    large = sizes >= min(sizes.max(), max(SPECK_PIXELS, _SHARE * sizes.max()))
    if large[1:].all():
        return mask
    large[0] = False
    cleared = np.zeros_like(mask)
    cleared[window] = large[parts]
    return cleared
