"""Image files, read the way Label Studio shows them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.errors import ImageFileError
from backend.labelstudio.errors import ImageRefusedError
from backend.labelstudio.images import ImageLimits, decode_image


def read_image(path: Path, *, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """The pixels of an image file, EXIF-transposed, (H, W, 3) uint8 RGB.

    Raises:
        ImageFileError: the file is missing, no image, broken, or over *limits*.
    """
    limits = limits or ImageLimits()
    try:
        size = path.stat().st_size
        if size > limits.max_bytes:
            raise ImageFileError(f"{path}: {size:,} bytes, at most {limits.max_bytes:,} are read")
        return decode_image(path.read_bytes(), limits=limits)
    except ImageRefusedError as exc:
        raise ImageFileError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise ImageFileError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
