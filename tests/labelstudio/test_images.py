"""Images as cameras, browsers and attackers make them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from backend.labelstudio.errors import ImageRefusedError
from backend.labelstudio.images import ImageLimits, decode_image

LIMITS = ImageLimits(max_bytes=100_000, max_side=500, max_pixels=40_000)


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _gradient(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Unlike under every flip and turn."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 6, columns * 6, rows + columns], axis=-1).astype(np.uint8)


def _png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds no pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_pixels_come_back_as_rows_columns_rgb(file_format: str) -> None:
    assert np.array_equal(
        decode_image(_saved(Image.fromarray(_gradient()), file_format), limits=LIMITS), _gradient()
    )


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_applied(orientation: int, turned: Any) -> None:
    """Label Studio shows and measures the turned image; 6 is a phone held upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _saved(Image.fromarray(_gradient()), "JPEG", exif=exif, quality=95, subsampling=0)

    pixels = decode_image(data, limits=LIMITS)

    assert pixels.shape == turned(_gradient()).shape
    assert np.abs(pixels.astype(int) - turned(_gradient())).mean() < 3


@pytest.mark.parametrize(
    ("image", "pixel"),
    [
        (Image.new("L", (5, 3), 100), (100, 100, 100)),
        (Image.new("1", (5, 3), 1), (255, 255, 255)),
        (Image.new("RGB", (5, 3), (1, 2, 3)).convert("P", palette=Image.Palette.ADAPTIVE), (1, 2, 3)),
        (Image.new("RGBA", (5, 3), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (5, 3), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("LA", (5, 3), (10, 0)), (255, 255, 255)),
        (Image.fromarray(np.full((3, 5), 0x64FF, np.uint16)), (100, 100, 100)),
    ],
    ids=["grey", "bilevel", "palette", "opaque", "transparent", "transparent grey", "16 bits"],
)
def test_every_kind_of_png_becomes_rgb(image: Image.Image, pixel: tuple[int, int, int]) -> None:
    pixels = decode_image(_saved(image, "PNG"), limits=LIMITS)

    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert tuple(pixels[1, 2]) == pixel


def test_cmyk_becomes_rgb() -> None:
    data = _saved(Image.new("CMYK", (16, 8), (0, 255, 255, 0)), "JPEG", quality=95)

    red, green, blue = decode_image(data, limits=LIMITS)[4, 8].tolist()

    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
def test_an_animation_is_its_first_frame(file_format: str) -> None:
    frames = [Image.new("RGB", (5, 3), colour) for colour in ("red", "blue")]
    data = _saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100)

    red, _, blue = decode_image(data, limits=LIMITS)[1, 2].tolist()

    assert red > 200 > 50 > blue


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"just some words\n", "a text file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html>log in</html>", "a web page"),
        (b"\0\1\2\3" * 100, "400 bytes of something else"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a text file"),
        (_png_header(3, 5), "truncated or broken"),
        (_saved(Image.fromarray(_gradient()), "PNG")[:-60], "truncated or broken"),
        (_saved(Image.fromarray(_gradient()), "JPEG")[:-200], "truncated or broken"),
        (_png_header(20_000, 2), "got 20000 x 2"),
        (_png_header(300, 300), "got 300 x 300"),
        (_png_header(20_000, 20_000), "fewer pixels"),
        (bytes(100_001), "at most 100000 bytes, got 100001"),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_what_is_no_good_image_is_refused_with_what_came(data: bytes, message: str) -> None:
    with pytest.raises(ImageRefusedError, match=message):
        decode_image(data, limits=LIMITS)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000"]),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_files_are_an_image_or_an_error_of_ours(
    file_format: str, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(_saved(Image.fromarray(_gradient()), file_format))
    for position, value in damage:
        data[position % len(data)] = value

    try:
        pixels = decode_image(bytes(data), limits=LIMITS)
    except ImageRefusedError:
        return

    assert pixels.ndim == 3
