"""Image bytes to pixels, the way Label Studio shows them."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from backend.labelstudio.errors import ImageRefusedError

# what browsers show, and TIFF; above all not EPS and the like, which start other programs
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "TIFF", "JPEG2000", "PPM")
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True)
class ImageLimits:
    """Bounds on what is fetched and decoded.

    Attributes:
        max_bytes: largest file, in bytes.
        max_side: longest side, in pixels.
        max_pixels: most pixels; Pillow itself takes no more than 178,956,970.
    """

    max_bytes: int = 64 * 2**20
    max_side: int = 16_384
    max_pixels: int = 100_000_000


def decode_image(data: bytes, *, limits: ImageLimits) -> NDArray[np.uint8]:
    """The image as Label Studio shows and measures it: EXIF-transposed, (H, W, 3) uint8 RGB.

    The first frame of an animation; transparent pixels on white; 16 bits as their upper eight.

    Raises:
        ImageRefusedError: no image, a broken one, or one over *limits*.
    """
    if len(data) > limits.max_bytes:
        raise ImageRefusedError(f"expected an image of at most {limits.max_bytes} bytes, got {len(data)}")
    with _open(data) as image:
        _check_size(image.size, limits)
        return np.asarray(_rgb(_upright(image)))


@contextmanager
def _open(data: bytes) -> Iterator[Image.Image]:
    """The image, its pixels not yet decoded. Pillow's errors inside the context are translated."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of Pillow about odd files and many pixels: we check for ourselves
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                yield image
    except Image.DecompressionBombError as exc:
        raise ImageRefusedError(f"expected an image with fewer pixels: {exc}") from exc
    except UnidentifiedImageError as exc:
        raise ImageRefusedError(
            f"expected an image in one of the formats {', '.join(_FORMATS)}, got {_content(data)}"
        ) from exc
    except _BROKEN as exc:
        raise ImageRefusedError(
            f"expected a whole image, got {len(data)} bytes, truncated or broken: upload it again ({exc})"
        ) from exc


def _check_size(size_wh: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size_wh
    if max(size_wh) > limits.max_side or width * height > limits.max_pixels:
        raise ImageRefusedError(
            f"expected an image of at most {limits.max_side} pixels a side and {limits.max_pixels} in all, "
            f"got {width} x {height}; scale it down, or raise the limits"
        )


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    return ImageOps.exif_transpose(image)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        grey = np.clip(np.asarray(image), 0, 2**16 - 1) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _content(data: bytes) -> str:
    """What *data* looks like, for a person."""
    start = data[:2048].lstrip().lower()
    if not data:
        return "an empty file"
    if b"<svg" in start:
        return "an SVG drawing, which has no pixels: export it as PNG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps one that asks for a login"
    if b"\0" not in start and start.isascii():
        return "a text file"
    return f"{len(data)} bytes of something else"
