"""Small pictures for the status page: an image with its masks, as JPEG."""

import time
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.vision.instance import Instance, MaskWindow, mask_window

LONGEST_SIDE = 320  # pixels: sharp on a phone at half of that
QUALITY = 72
LEAST_PAUSE_S = 1.0  # the page shows the last dozen: a fast run is not held up by pictures nobody sees
_FILL = 0.45
_COLOURS = np.array(
    [(255, 170, 20), (40, 170, 255), (120, 215, 60), (255, 90, 120), (175, 120, 255), (0, 205, 185)],
    np.float32,
)


class Thumbnailer:
    """Draws what was found in some of the images: not more than one a second.

    Args:
        least_pause_s: between two pictures.
    """

    def __init__(self, least_pause_s: float = LEAST_PAUSE_S) -> None:
        self._least_pause_s = least_pause_s
        self._drawn_at = -least_pause_s

    def found(self, image: NDArray[np.uint8], instances: Sequence[Instance]) -> bytes | None:
        """Draw the instances on their image, a colour for each label.

        Args:
            image: RGB, (h, w, 3) uint8, perhaps decoded at reduced size.
            instances: what was found in it, in its own pixels.

        Returns:
            A JPEG file; None if the last one was drawn just before.
        """
        if time.monotonic() - self._drawn_at < self._least_pause_s:
            return None
        self._drawn_at = time.monotonic()
        labels = sorted({each.label for each in instances})
        return _jpeg(image, [(each.window, labels.index(each.label)) for each in instances])


def reference_picture(image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]]) -> bytes:
    """Draw the annotated objects on their image, as a JPEG file.

    Args:
        image: RGB, (H, W, 3) uint8.
        masks: (H, W) bool each, at the size of the image.
    """
    return _jpeg(image, [(mask_window(mask), 0) for mask in masks])


def _jpeg(image: NDArray[np.uint8], painted: Sequence[tuple[MaskWindow, int]]) -> bytes:
    """Draw each mask in the colour of its number."""
    canvas = _small(image)
    height, width = canvas.shape[:2]
    for window, number in painted:
        rows, columns = (
            ((np.arange(side) + 0.5) * own / side).astype(int)
            for side, own in zip((height, width), window.size_hw, strict=True)
        )
        _paint(canvas, window, rows, columns, _COLOURS[number % len(_COLOURS)])
    file = BytesIO()
    Image.fromarray(canvas).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink the image to a side of at most ``LONGEST_SIDE``: first by leaving out pixels, which is quick."""
    longest = max(image.shape[:2])
    step = max(1, longest // (4 * LONGEST_SIDE))
    scale = min(1.0, LONGEST_SIDE / longest)
    size_wh = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    picture = Image.fromarray(np.ascontiguousarray(image[::step, ::step]))
    return np.array(picture.resize(size_wh, Image.Resampling.BOX), dtype=np.uint8)


def _paint(
    canvas: NDArray[np.uint8],
    window: MaskWindow,
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    colour: NDArray[np.float32],
) -> None:
    """Fill one mask translucently and draw its contour, in place, where it lies.

    Args:
        canvas: the small picture, (h, w, 3) uint8.
        window: the mask at the size of the image.
        rows: the row of the image that each row of the canvas shows, (h,).
        columns: the column of the image that each column of the canvas shows, (w,).
        colour: RGB, (3,).
    """
    top, bottom = np.searchsorted(rows, [window.top, window.top + window.pixels.shape[0]])
    left, right = np.searchsorted(columns, [window.left, window.left + window.pixels.shape[1]])
    inside = window.pixels[np.ix_(rows[top:bottom] - window.top, columns[left:right] - window.left)]
    if not inside.size:
        return  # smaller than a pixel of the canvas
    part = canvas[top:bottom, left:right]
    part[inside] = (part[inside] * (1 - _FILL) + colour * _FILL).astype(np.uint8)
    part[inside & ~_core(inside)] = colour


def _core(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Give the pixels of the mask whose four neighbours belong to it, too, (h, w) bool."""
    padded = np.pad(inside, 1)
    return np.asarray(padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])
