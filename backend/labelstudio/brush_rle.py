"""Label Studio's brush run-length code: a stream of bits over the RGBA bytes of a mask.

32 bits count of bytes (H * W * 4), 5 bits word size - 1, four times 4 bits of length size - 1, then runs:
1 bit of kind, 2 bits of which length size, the length - 1, and one word that repeats (kind 1) or as many
words as the length says (kind 0).
"""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.errors import RleError

_CHANNELS = 4
_WORD_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 2 ** _LENGTH_BITS[-1]
_HEADER_BITS = 32 + 5 + 4 * 4
_OPAQUE = 128  # strokes are anti-aliased: half covered counts


def encode_rle(mask: NDArray[np.bool_]) -> list[int]:
    """The ``rle`` of a brush region.

    As ``label_studio_sdk.converter.brush.mask2rle`` of a mask of 0 and 255, without its spare zero byte.

    Args:
        mask: the instance, (H, W) bool.

    Returns:
        Bytes 0..255, decoded by Label Studio to RGBA pixels of 0 and 255.

    Raises:
        RleError: the mask is not (H, W) bool, is empty, or has 2**30 pixels and more.
    """
    _check_mask(mask)
    values, lengths = _runs(mask)
    codes, sizes = _run_codes(values, lengths * _CHANNELS)
    header, header_sizes = _header_codes(mask.size * _CHANNELS)
    packed = _pack(np.concatenate([header, codes]), np.concatenate([header_sizes, sizes]))
    return list(packed.tobytes())


def decode_rle(
    rle: Sequence[int], size_hw: tuple[int, int], *, max_pixels: int = 100_000_000
) -> NDArray[np.bool_]:
    """The mask of a brush region, (H, W) bool: True where alpha is at least 128.

    Args:
        rle: bytes 0..255, as Label Studio stores them.
        size_hw: the region's ``original_height`` and ``original_width``.
        max_pixels: masks of more pixels are refused before anything is allocated for them.

    Raises:
        RleError: truncated, malformed, too large, or of another size than *size_hw*.
    """
    height, width = size_hw
    data = _as_bytes(rle)
    _check_size(data, height, width, max_pixels)
    ends, opaque = _decode_runs(data, height * width * _CHANNELS)
    alphas_until = ends // _CHANNELS  # the alpha bytes are those at 3, 7, 11, …
    return np.repeat(opaque, np.diff(alphas_until, prepend=0)).reshape(height, width)


def _check_mask(mask: NDArray[np.bool_]) -> None:
    if mask.ndim != 2 or mask.dtype != np.bool_:
        raise RleError(f"expected a mask (H, W) bool, got {mask.shape} {mask.dtype}")
    if not 0 < mask.size < 2**30:
        raise RleError(f"expected a mask of 1 to 2**30 - 1 pixels, got {mask.shape}")


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The value and the length of each run of equal pixels; only rows with pixels are looked at closely."""
    height, width = mask.shape
    rows = np.flatnonzero(mask.any(axis=1))
    top, bottom = (max(rows[0] - 1, 0), min(rows[-1] + 2, height)) if len(rows) else (0, 0)
    near = mask[top:bottom].ravel()
    starts = np.concatenate([[0], np.flatnonzero(near[1:] != near[:-1]) + (1 + top * width)])
    return mask.ravel()[starts], np.diff(starts, append=mask.size)


def _run_codes(
    values: NDArray[np.bool_], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Code and code size in bits of each run, runs over 2**16 bytes in pieces."""
    pieces = (lengths - 1) // _LONGEST_RUN + 1
    which = np.searchsorted(2 ** np.array(_LENGTH_BITS[:-1]), lengths).repeat(pieces)
    piece_lengths = np.full(pieces.sum(), _LONGEST_RUN)
    piece_lengths[pieces.cumsum() - 1] = lengths - (pieces - 1) * _LONGEST_RUN
    length_bits = np.array(_LENGTH_BITS)[which]
    codes = ((0b100 | which) << length_bits | piece_lengths - 1) << _WORD_BITS
    codes |= np.where(values, 255, 0).repeat(pieces)
    return codes.astype(np.uint32), 3 + length_bits + _WORD_BITS


def _header_codes(count: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    codes = [count, _WORD_BITS - 1, *(bits - 1 for bits in _LENGTH_BITS)]
    return np.array(codes, np.uint32), np.array([32, 5, 4, 4, 4, 4])


def _pack(codes: NDArray[np.uint32], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The codes, each of its size in bits, one after the other."""
    bits_left = sizes.cumsum().repeat(sizes) - np.arange(sizes.sum()) - 1
    return np.packbits((codes.repeat(sizes) >> bits_left.astype(np.uint32) & 1).astype(np.uint8))


def _as_bytes(rle: Sequence[int]) -> bytes:
    if not isinstance(rle, (list, tuple, bytes)):
        raise RleError(f"expected an rle of whole numbers 0..255, got {type(rle).__name__}")
    try:
        return bytes(rle)
    except (TypeError, ValueError, OverflowError) as exc:
        raise RleError(f"expected an rle of whole numbers 0..255: {exc}") from exc


def _check_size(data: bytes, height: int, width: int, max_pixels: int) -> None:
    if len(data) * 8 < _HEADER_BITS:
        raise RleError(f"expected an rle of at least {_HEADER_BITS // 8 + 1} bytes, got {len(data)}")
    if height < 1 or width < 1 or height * width > max_pixels:
        raise RleError(f"expected a mask of 1 to {max_pixels} pixels, got {width} x {height}")
    count = int.from_bytes(data[:4])
    expected = height * width * _CHANNELS
    if count != expected:
        raise RleError(f"expected an rle of {expected} bytes for {width} x {height} pixels, got {count}")
    word_bits = (data[4] >> 3) + 1
    if word_bits != _WORD_BITS:
        raise RleError(f"expected an rle of {_WORD_BITS}-bit words, got {word_bits}-bit words")


def _decode_runs(data: bytes, count: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The end of each run, and whether it is opaque; the last ends at *count*."""
    lengths, words = array("q"), bytearray()
    for length, values in _read_runs(data, count):
        lengths.extend([length] if len(values) == 1 else [1] * length)
        words += values
    ends = np.frombuffer(lengths, np.int64).cumsum()
    return np.minimum(ends, count), np.frombuffer(words, np.uint8) >= _OPAQUE


def _read_runs(data: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    """Length and words of each run, one word if it repeats, until *count* bytes are there."""
    length_bits = [(int.from_bytes(data[4:7]) >> shift & 15) + 1 for shift in (15, 11, 7, 3)]
    position = _HEADER_BITS
    while count > 0:
        # a run's head is at most 3 + 16 + 8 bits: with 7 bits of misalignment it fits into 8 bytes
        window = int.from_bytes(data[position >> 3 : (position >> 3) + 8].ljust(8, b"\0")) << (position & 7)
        size = length_bits[window >> 61 & 3]
        length = (window >> (61 - size) & (1 << size) - 1) + 1
        position += 3 + size
        if window >> 63 & 1:
            words = bytes([window >> (53 - size) & 255])
            position += _WORD_BITS
        else:
            length = min(length, count)
            words = _read_words(data, position, length)
            position += length * _WORD_BITS
        if position > len(data) * 8:
            raise RleError(f"the rle of {len(data)} bytes ends with {count} bytes of the mask missing")
        yield length, words
        count -= length


def _read_words(data: bytes, position: int, length: int) -> bytes:
    """Up to *length* words that start at the bit *position*."""
    first, shift = divmod(position, 8)
    piece = np.unpackbits(np.frombuffer(data[first : first + length + 1], np.uint8))
    return np.packbits(piece[shift : shift + length * _WORD_BITS]).tobytes()
