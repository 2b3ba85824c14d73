"""Image bytes to pixels, the way Label Studio shows them."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

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
_REDUCIBLE = ("JPEG", "MPO")  # the latter: what phones make of several pictures in one file
_REDUCTIONS = (8, 4, 2)  # what a JPEG decoder can leave out by itself
_ORIENTATION, _AS_STORED = 0x0112, 1  # of EXIF
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True)
class ImageLimits:
    """Bounds on what is fetched and decoded.

    Attributes:
        max_bytes: largest file, in bytes.
        max_side: longest side, in pixels.
        max_pixels: most pixels; Pillow itself takes no more than 178,956,970.
        enough_side: pixels along the longer side that show all there is to be seen, see ``decode_reduced``;
            None: all of them.
    """

    max_bytes: int = 64 * 2**20
    max_side: int = 16_384
    max_pixels: int = 100_000_000
    enough_side: int | None = None


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image, perhaps decoded at reduced size.

    Attributes:
        pixels: RGB, (h, w, 3) uint8. Each shows 1, 2, 4 or 8 of the image's own pixels along each side, from
            the upper left corner on; the last ones may show fewer.
        size_hw: of the image in its own pixels, as Label Studio measures it.
    """

    pixels: NDArray[np.uint8]
    size_hw: tuple[int, int]

    @classmethod
    def whole(cls, pixels: NDArray[np.uint8]) -> Self:
        """An image that has exactly these pixels."""
        return cls(pixels, (pixels.shape[0], pixels.shape[1]))


def decode_reduced(data: bytes, *, limits: ImageLimits) -> DecodedImage:
    """The image as ``decode_image`` has it, or at reduced size if it is a JPEG far larger than needed.

    A JPEG's decoder can compute the means of 2 x 2, 4 x 4 or 8 x 8 pixels alone, which is quicker. It does so
    as long as the longer side keeps ``limits.enough_side``: how much is told by the file alone, so that
    whoever decodes it gets the same pixels.

    Raises:
        ImageRefusedError: no image, a broken one, or one over *limits*.
    """
    if len(data) > limits.max_bytes:
        raise ImageRefusedError(f"expected an image of at most {limits.max_bytes} bytes, got {len(data)}")
    with _open(data) as image:
        _check_size(image.size, limits)
        size_hw = image.size[::-1]
        if limits.enough_side is not None and image.format in _REDUCIBLE:
            _reduce(image, limits.enough_side)
        reduced_hw = image.size[::-1]
        pixels = np.asarray(_rgb(_upright(image)))
    return DecodedImage(pixels, size_hw if pixels.shape[:2] == reduced_hw else size_hw[::-1])


def reduction(size_wh: tuple[int, int], *, enough_side: int, turned: bool) -> int:
    """How many of a JPEG's pixels one decoded pixel shows along each side.

    Args:
        size_wh: of the image, as it is stored.
        enough_side: the longer side keeps at least so many pixels.
        turned: EXIF turns it. Then no pixel may show fewer than others: it might come to lie at the image's
            upper left corner, from which on places are counted.

    Returns:
        8, 4, 2 or 1.
    """
    fitting = (
        times
        for times in _REDUCTIONS
        if max(size_wh) >= times * enough_side and not (turned and any(side % times for side in size_wh))
    )
    return next(fitting, 1)


def _reduce(image: Image.Image, enough_side: int) -> None:
    """Have a JPEG decoded at reduced size if it is large enough."""
    width, height = image.size
    turned = image.getexif().get(_ORIENTATION, _AS_STORED) != _AS_STORED
    times = reduction(image.size, enough_side=enough_side, turned=turned)
    if times > 1:
        image.draft(None, (max(1, width // times), max(1, height // times)))


def decode_image(data: bytes, *, limits: ImageLimits) -> NDArray[np.uint8]:
    """The image as Label Studio shows and measures it: EXIF-transposed, (H, W, 3) uint8 RGB.

    The first frame of an animation; transparent pixels on white; 16 bits as their upper eight.

    Raises:
        ImageRefusedError: no image, a broken one, or one over *limits*.
    """
    return decode_reduced(data, limits=replace(limits, enough_side=None)).pixels


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
