"""The brush codec, against itself, against Label Studio's converter, and against hostile input."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from label_studio_sdk.converter import brush
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import decode_rle, encode_rle
from backend.labelstudio.errors import RleError

MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=40))
converter: Any = brush  # untyped
LONG_RUN = np.ones((1, 3 * 2**14 + 5), bool)  # 3 * 2**16 + 20 bytes


def _bits(*pairs: tuple[int, int]) -> list[int]:
    """The bytes of (code, size in bits) pairs."""
    text = "".join(f"{code:0{size}b}" for code, size in pairs)
    return [int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8)]


def _size(mask: NDArray[Any]) -> tuple[int, int]:
    return mask.shape[0], mask.shape[1]


def _header(count: int, word_bits: int = 8) -> list[tuple[int, int]]:
    return [(count, 32), (word_bits - 1, 5), (2, 4), (3, 4), (7, 4), (15, 4)]


def test_a_mask_of_one_row_is_what_the_format_says() -> None:
    """Two transparent pixels, 8 bytes: kind 1, length size 0 (3 bits), 8 - 1, the word 0; an opaque one."""
    expected = _bits(*_header(12), (1, 1), (0, 2), (7, 3), (0, 8), (1, 1), (0, 2), (3, 3), (255, 8))

    assert encode_rle(np.array([[False, False, True]])) == expected


@given(MASKS)
@example(LONG_RUN)
@example(~LONG_RUN)
@example(np.ones((4, 2**14), bool))
@example(np.ones((1, 64), bool))
@example(np.ones((1, 65), bool))
def test_decoding_undoes_encoding(mask: NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_rle(encode_rle(mask), _size(mask)), mask)


@given(MASKS)
@example(LONG_RUN)
def test_the_code_is_the_converters_but_for_its_spare_zero_byte(mask: NDArray[np.bool_]) -> None:
    rle = encode_rle(mask)

    assert converter.mask2rle(mask.astype(np.uint8) * 255) in (rle, [*rle, 0])


@given(MASKS)
@example(LONG_RUN)
def test_the_converter_reads_what_we_write(mask: NDArray[np.bool_]) -> None:
    values = converter.decode_rle(encode_rle(mask)).reshape(*mask.shape, 4)

    assert np.array_equal(values, np.repeat(mask[..., None] * np.uint8(255), 4, axis=2))


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4))))
def test_we_read_what_the_converter_writes(pixels: NDArray[np.uint8]) -> None:
    """Any RGBA pixels, as anti-aliased strokes are: alpha decides, from 128 up."""
    mask = decode_rle(converter.encode_rle(pixels.ravel()), _size(pixels))

    assert np.array_equal(mask, pixels[..., 3] >= 128)


def test_words_stored_one_by_one_are_read() -> None:
    """Kind 0: 9 words as they are, which start in the middle of a byte and end in the middle of a pixel."""
    words = [1, 2, 3, 200, 5, 6, 7, 127, 255]
    rle = _bits(
        *_header(12), (0, 1), (1, 2), (8, 4), *[(word, 8) for word in words], (1, 1), (0, 2), (2, 3), (255, 8)
    )

    assert decode_rle(rle, (1, 3)).tolist() == [[True, False, True]]


def test_a_last_run_that_is_too_long_ends_with_the_mask() -> None:
    """As Label Studio reads it."""
    rle = _bits(*_header(8), (1, 1), (0, 2), (3, 3), (0, 8), (1, 1), (0, 2), (7, 3), (255, 8))

    assert decode_rle(rle, (2, 1)).tolist() == [[False], [True]]


@given(MASKS, st.data())
def test_a_truncated_code_is_refused(mask: NDArray[np.bool_], data: st.DataObject) -> None:
    rle = encode_rle(mask)
    kept = rle[: data.draw(st.integers(0, len(rle) - 1))]

    with pytest.raises(RleError, match=r"expected an rle of at least|missing"):
        decode_rle(kept, _size(mask))


@given(st.lists(st.integers(0, 255), max_size=200), st.integers(1, 30), st.integers(1, 30))
def test_any_bytes_are_a_mask_of_that_size_or_an_error_of_ours(
    body: list[int], height: int, width: int
) -> None:
    rle = [*(height * width * 4).to_bytes(4), 0b111 << 3 | 1, *body]

    try:
        mask = decode_rle(rle, (height, width))
    except RleError:
        return

    assert mask.shape == (height, width)


@pytest.mark.parametrize(
    ("rle", "size_hw", "message"),
    [
        ([], (3, 5), "at least 7 bytes, got 0"),
        (encode_rle(np.ones((3, 5), bool)), (5, 5), "100 bytes for 5 x 5 pixels, got 60"),
        (encode_rle(np.ones((3, 5), bool)), (0, 5), "got 5 x 0"),
        (encode_rle(np.ones((3, 5), bool)), (-3, -5), "got -5 x -3"),
        (_bits(*_header(60, word_bits=16)), (3, 5), "8-bit words, got 16-bit"),
        (_bits(*_header(2**32 - 4)), (2**15, 2**15), "1 to 100000000 pixels, got 32768 x 32768"),
        ([0, 0, 0, 256, 0, 0, 0], (3, 5), "0..255"),
        ([0, 0, 0, -1, 0, 0, 0], (3, 5), "0..255"),
        ([0, 0, 0, 1.5, 0, 0, 0], (3, 5), "0..255"),
        ([0, 0, 0, None, 0, 0, 0], (3, 5), "0..255"),
        (10**12, (3, 5), "got int"),
        ("0" * 20, (3, 5), "got str"),
        (None, (3, 5), "got NoneType"),
    ],
)
def test_a_code_that_cannot_be_one_is_refused_before_anything_is_allocated(
    rle: list[int], size_hw: tuple[int, int], message: str
) -> None:
    with pytest.raises(RleError, match=message):
        decode_rle(rle, size_hw)


@pytest.mark.parametrize(
    "mask",
    [np.zeros((0, 5), bool), np.zeros((3, 5), np.uint8), np.zeros(15, bool), np.zeros((3, 5, 1), bool)],
)
def test_only_masks_are_encoded(mask: NDArray[np.bool_]) -> None:
    with pytest.raises(RleError, match="expected a mask"):
        encode_rle(mask)
