"""The mask in a region of BitmaskLabels: a PNG of the image's size, of which only alpha counts."""

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from backend.labelstudio.errors import RegionError

_PREFIX = "data:image/png;base64,"
_OPAQUE = 128  # strokes are anti-aliased: half covered counts
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def encode_bitmask(mask: NDArray[np.bool_]) -> str:
    """The ``imageDataURL`` of a mask, (H, W) bool: black where it is, transparent elsewhere."""
    alpha = Image.fromarray(mask.astype(np.uint8) * 255)
    file = io.BytesIO()
    Image.merge("LA", (Image.new("L", alpha.size), alpha)).save(file, "PNG")
    return _PREFIX + base64.b64encode(file.getvalue()).decode()


def decode_bitmask(address: object, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of an ``imageDataURL``, (H, W) bool: True where alpha is at least 128.

    Args:
        address: as Label Studio stores it.
        size_hw: the region's ``original_height`` and ``original_width``; no larger image is decoded.

    Raises:
        RegionError: no whole PNG of this size in a data address.
    """
    if not isinstance(address, str) or not address.startswith(_PREFIX):
        raise RegionError(f"expected a bitmask's imageDataURL to start with {_PREFIX!r}")
    try:
        data = base64.b64decode(address[len(_PREFIX) :], validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.size != size_hw[::-1]:
                raise RegionError(
                    f"expected a bitmask of {size_hw[1]} x {size_hw[0]} pixels, "
                    f"got {image.size[0]} x {image.size[1]}"
                )
            return np.asarray(image.convert("RGBA"))[..., 3] >= _OPAQUE
    except binascii.Error as exc:
        raise RegionError(f"expected a bitmask in base64: {exc}") from exc
    except UnidentifiedImageError as exc:
        raise RegionError("expected a bitmask to be a PNG") from exc
    except _BROKEN as exc:
        raise RegionError(f"expected a whole PNG in a bitmask: {exc}") from exc
