"""Mask files: from a PNG that a person made to one mask per instance.

What counts as object: alpha where it varies, else the index of a palette image, else luminance; non-zero is
object. Several values above 0 are several instances. Soft edges (a resized or anti-aliased mask) belong to
the instance they lie at, and a JPEG, which cannot keep exact values, is one instance where it is at least
half bright.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy import ndimage

from backend.evaluation.errors import MaskFileError

HALF_BRIGHT = 128
LOSSY_FORMATS = ("JPEG", "MPO", "JPEG2000")


def read_masks(path: Path, *, size_hw: tuple[int, int]) -> list[NDArray[np.bool_]]:
    """One mask per instance of a mask file, by ascending value, each (H, W) bool.

    Args:
        path: the mask file.
        size_hw: size of the image it belongs to, as it is shown (EXIF-transposed).

    Raises:
        MaskFileError: missing, no image, of another size, or empty.
    """
    values = _values(path)
    if values.shape != size_hw:
        (height, width), (image_height, image_width) = values.shape, size_hw
        raise MaskFileError(
            f"{path}: the mask is {width} x {height} pixels, its image {image_width} x {image_height} "
            "(as shown, after any EXIF rotation); save it at the size of the image"
        )
    if not values.any():
        raise MaskFileError(
            f"{path}: the mask is empty: no pixel is above 0; paint the object in another value"
        )
    values = _without_soft_edges(values)
    return [values == value for value in np.unique(values[values > 0])]


def _values(path: Path) -> NDArray[np.int64]:
    """The value that counts of each pixel, (H, W)."""
    try:
        with Image.open(path) as opened:
            lossy = opened.format in LOSSY_FORMATS
            image = ImageOps.exif_transpose(opened)
            values = _alpha(image)
            if values is None:
                values = _grey(image)
    except FileNotFoundError as exc:
        raise MaskFileError(f"{path}: no such file") from exc
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise MaskFileError(f"{path}: cannot be read as an image: {exc}") from exc
    return (values >= HALF_BRIGHT).astype(np.int64) if lossy else values


def _alpha(image: Image.Image) -> NDArray[np.int64] | None:
    """Alpha of each pixel, None without alpha that varies."""
    if not image.has_transparency_data:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"), dtype=np.int64)
    return alpha if alpha.min() != alpha.max() else None


def _grey(image: Image.Image) -> NDArray[np.int64]:
    """Palette index or luminance of each pixel."""
    if image.mode == "P" or image.mode.startswith("I") or image.mode == "F":
        return np.asarray(image).astype(np.int64)
    return np.asarray(image.convert("L"), dtype=np.int64)


def _without_soft_edges(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each value that is nowhere solid, and always touches another, to the nearest solid value.

    An instance has a pixel whose whole 3 x 3 neighbourhood is its own, or stands alone; the in-between values
    of a soft edge have neither.
    """
    present = np.unique(values[values > 0]).tolist()
    if len(present) == 1:
        return values
    highest, lowest = ndimage.maximum_filter(values, 3), ndimage.minimum_filter(values, 3)
    solid = set(np.unique(values[(highest == lowest) & (values > 0)]).tolist())
    touching = _touching(values)
    soft = [value for value in present if value not in solid and value in touching]
    if not soft or len(soft) == len(present):
        return values
    keep = ~np.isin(values, soft) & (values > 0)
    nearest = ndimage.distance_transform_edt(~keep, return_distances=False, return_indices=True)
    return np.where(values > 0, values[tuple(nearest)], 0)


def _touching(values: NDArray[np.int64]) -> set[int]:
    """The values above 0 that somewhere lie beside another value above 0."""
    touching: set[int] = set()
    for first, second in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1])):
        border = (first != second) & (first > 0) & (second > 0)
        touching.update(first[border].tolist(), second[border].tolist())
    return touching
