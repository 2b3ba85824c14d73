"""PNG masks in data addresses."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from backend.labelstudio.bitmask import decode_bitmask, encode_bitmask
from backend.labelstudio.errors import RegionError

PREFIX = "data:image/png;base64,"


def address(image: Image.Image, format_: str = "PNG") -> str:
    file = io.BytesIO()
    image.save(file, format_)
    return PREFIX + base64.b64encode(file.getvalue()).decode()


@given(arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 30))))
def test_decoding_gives_what_was_encoded(mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_bitmask(encode_bitmask(mask), (mask.shape[0], mask.shape[1])), mask)


def test_only_alpha_counts_from_half_covered_on() -> None:
    """2 x 3 pixels: white and transparent is nothing, black and half covered is painted."""
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0, 0] = (255, 255, 255, 0)
    pixels[0, 1] = (0, 0, 0, 128)
    pixels[1, 2] = (0, 0, 0, 127)

    mask = decode_bitmask(address(Image.fromarray(pixels)), (2, 3))

    assert mask.tolist() == [[False, True, False], [False, False, False]]


def test_an_opaque_image_paints_everything_as_label_studio_shows_it() -> None:
    assert decode_bitmask(address(Image.new("L", (3, 2))), (2, 3)).all()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (None, "to start with"),
        ("https://example.com/mask.png", "to start with"),
        (PREFIX + "?", "in base64"),
        (PREFIX, "to be a PNG"),
        (PREFIX + base64.b64encode(b"<svg/>").decode(), "to be a PNG"),
        (address(Image.new("RGB", (3, 2)), "JPEG"), "to be a PNG"),
        (address(Image.new("LA", (2, 3))), "of 3 x 2 pixels, got 2 x 3"),
        (encode_bitmask(np.random.default_rng(0).random((2, 3)) > 0.5)[:-36], "whole PNG|base64"),
    ],
)
def test_what_is_no_whole_mask_of_the_size_is_refused(broken: object, message: str) -> None:
    with pytest.raises(RegionError, match=message):
        decode_bitmask(broken, (2, 3))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_mask_or_an_error_of_ours(data: bytes) -> None:
    start = base64.b64decode(encode_bitmask(np.ones((2, 3), bool))[len(PREFIX) :])[:33]
    for content in (data, start + data):
        try:
            decode_bitmask(PREFIX + base64.b64encode(content).decode(), (2, 3))
        except RegionError:
            continue
