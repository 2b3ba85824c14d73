"""Label Studio's brush run-length code: a stream of bits over the RGBA bytes of a mask."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def encode_rle(mask: NDArray[np.bool_]) -> list[int]:
    """The ``rle`` of a brush region.

    Args:
        mask: the instance, (H, W) bool.

    Returns:
        Bytes 0..255, decoded by Label Studio to RGBA pixels of 0 and 255.
    """
    raise NotImplementedError


def decode_rle(rle: Sequence[int], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a brush region, (H, W) bool: True where alpha is at least 128.

    Args:
        rle: bytes 0..255, as Label Studio stores them.
        size_hw: the region's ``original_height`` and ``original_width``.

    Raises:
        RleError: truncated, malformed, or of another size than *size_hw*.
    """
    raise NotImplementedError
