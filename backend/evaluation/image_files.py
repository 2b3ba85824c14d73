"""Image files, read the way Label Studio shows them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.errors import ImageFileError
from backend.labelstudio.errors import ImageRefusedError
from backend.labelstudio.images import DecodedImage, ImageLimits, decode_reduced


def read_image(path: Path, *, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """The pixels of an image file, EXIF-transposed, (H, W, 3) uint8 RGB.

    Raises:
        ImageFileError: the file is missing, no image, broken, or over *limits*.
    """
    return read_reduced(path, limits=replace(limits or ImageLimits(), enough_side=None)).pixels


def read_reduced(path: Path, *, limits: ImageLimits) -> DecodedImage:
    """An image file, EXIF-transposed; a large JPEG perhaps at reduced size, as workers decode it.

    Raises:
        ImageFileError: the file is missing, no image, broken, or over *limits*.
    """
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise ImageFileError(f"{path}: {size:,} bytes, at most {limits.max_bytes:,} are read")
        return decode_reduced(path.read_bytes(), limits=limits)
    except ImageRefusedError as exc:
        raise ImageFileError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise ImageFileError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
