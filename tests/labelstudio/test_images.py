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
from backend.labelstudio.images import ImageLimits, decode_image, decode_reduced, reduction

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


@pytest.mark.parametrize(
    ("size_wh", "turned", "times"),
    [
        ((1599, 400), False, 1),
        ((1600, 400), False, 2),
        ((400, 3200), False, 4),
        ((6400, 1), False, 8),
        ((99_999, 9), False, 8),
        ((3201, 3000), False, 4),
        ((3201, 3000), True, 1),
        ((3202, 3000), True, 2),
        ((3200, 3000), True, 4),
    ],
)
def test_a_jpeg_is_reduced_while_its_longer_side_keeps_enough(
    size_wh: tuple[int, int], turned: bool, times: int
) -> None:
    """800 pixels are enough. A turned image is divided without a rest, or less."""
    assert reduction(size_wh, enough_side=800, turned=turned) == times


@pytest.mark.parametrize("size_hw", [(480, 640), (481, 643), (640, 480), (637, 90), (481, 640)])
def test_a_reduced_pixel_shows_the_mean_of_those_it_stands_for(size_hw: tuple[int, int]) -> None:
    """4 x 4 from the upper left corner on; the last ones, of fewer, are not compared."""
    height, width = size_hw
    rows, columns = np.mgrid[:height, :width] / 640
    pixels = np.stack([rows * 200, columns * 200, (rows + columns) * 100], axis=-1).astype(np.uint8)
    data = _saved(Image.fromarray(pixels), "JPEG", quality=97, subsampling=0)

    image = decode_reduced(data, limits=ImageLimits(enough_side=150))

    assert image.size_hw == size_hw
    assert image.pixels.shape == (-(-height // 4), -(-width // 4), 3)
    whole = pixels[: height // 4 * 4, : width // 4 * 4].reshape(height // 4, 4, width // 4, 4, 3)
    found = image.pixels[: height // 4, : width // 4]
    assert np.abs(found - whole.mean(axis=(1, 3))).max() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("size_hw", "times"), [((96, 160), 2), ((95, 161), 1)])
def test_a_reduced_image_is_turned_as_the_whole_one(
    orientation: int, size_hw: tuple[int, int], times: int
) -> None:
    """Where EXIF turns what cannot be halved, it is decoded in full."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = _saved(Image.fromarray(_gradient(*size_hw)), "JPEG", exif=exif, quality=95, subsampling=0)

    whole = decode_image(data, limits=ImageLimits())
    image = decode_reduced(data, limits=ImageLimits(enough_side=80))

    assert image.size_hw == whole.shape[:2]
    if orientation > 1 and times == 1:
        assert np.array_equal(image.pixels, whole)
    else:
        height, width = (-(-side // 2) for side in image.size_hw)
        assert image.pixels.shape == (height, width, 3)
        nearest = whole[::2, ::2].astype(int)
        assert np.median(np.abs(image.pixels - nearest)) <= 6


def test_only_jpegs_are_reduced() -> None:
    data = _saved(Image.fromarray(_gradient(96, 160)), "PNG")

    image = decode_reduced(data, limits=ImageLimits(enough_side=10))

    assert np.array_equal(image.pixels, _gradient(96, 160))


def test_a_grey_and_a_cmyk_jpeg_are_reduced_to_rgb() -> None:
    for mode, colour in (("L", 100), ("CMYK", (0, 255, 255, 0))):
        data = _saved(Image.new(mode, (160, 96), colour), "JPEG", quality=95)

        image = decode_reduced(data, limits=ImageLimits(enough_side=80))

        assert image.pixels.shape == (48, 80, 3)
        whole = decode_image(data, limits=ImageLimits())
        assert np.abs(image.pixels[4, 8].astype(int) - whole[8, 16]).max() <= 2


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


@settings(max_examples=200)
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
