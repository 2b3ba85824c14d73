"""Image bytes to pixels, the way Label Studio shows them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageLimits:
    """Bounds on what is fetched and decoded."""

    max_bytes: int = 64 * 2**20
    max_side: int = 16_384
    max_pixels: int = 100_000_000


def decode_image(data: bytes, *, limits: ImageLimits) -> NDArray[np.uint8]:
    """The image as Label Studio shows and measures it: EXIF-transposed, (H, W, 3) uint8 RGB.

    Raises:
        ImageRefusedError: no image, a broken one, or one over *limits*.
    """
    raise NotImplementedError
