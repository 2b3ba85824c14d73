"""A page around an overlay: a title above, the references beside it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from backend.evaluation.overlays import PAPER, Colour, Mark, draw_marks, font_of

BACKGROUND: Colour = (28, 31, 36)
MUTED: Colour = (160, 166, 174)
REFERENCE_COLOUR: Colour = (255, 196, 0)
MARGIN = 18
TITLE_SIZE = 26
CAPTION_SIZE = 18
THUMBNAIL = 300
CONTEXT = 0.35  # of the object's own size, shown around it on each side


@dataclass(frozen=True, eq=False)
class Shot:
    """One reference as a page shows it.

    Attributes:
        image: the reference image, (H, W, 3) uint8 RGB.
        masks: the annotated instances, each (H, W) bool.
        label: what they are called.
        colour: of their marks.
    """

    image: NDArray[np.uint8]
    masks: tuple[NDArray[np.bool_], ...]
    label: str
    colour: Colour = REFERENCE_COLOUR


def page(overlay: Image.Image, shots: Sequence[Shot], *, title: str, subtitle: str = "") -> Image.Image:
    """The overlay with a title above and one thumbnail per reference on its left."""
    thumbnails = _thumbnails(shots, overlay.height)
    side = max((picture.width for picture in thumbnails), default=0)
    left = side + 2 * MARGIN if thumbnails else MARGIN
    top = TITLE_SIZE + 2 * MARGIN
    canvas = Image.new("RGB", (left + overlay.width + MARGIN, top + overlay.height + MARGIN), BACKGROUND)
    canvas.paste(overlay, (left, top))
    offset = top
    for picture in thumbnails:
        canvas.paste(picture, (MARGIN, offset))
        offset += picture.height + MARGIN
    _write_title(canvas, title, subtitle)
    return canvas


def _write_title(canvas: Image.Image, title: str, subtitle: str) -> None:
    """Title and, beside it, subtitle in the strip above."""
    draw = ImageDraw.Draw(canvas)
    font, small = font_of(TITLE_SIZE), font_of(CAPTION_SIZE)
    baseline = MARGIN + TITLE_SIZE
    draw.text((MARGIN, baseline), title, font=font, fill=PAPER, anchor="ls")
    draw.text((2 * MARGIN + font.getlength(title), baseline), subtitle, font=small, fill=MUTED, anchor="ls")


def _thumbnails(shots: Sequence[Shot], height: int) -> list[Image.Image]:
    """One captioned crop per reference, as many as fit into *height* at a readable size."""
    if not shots:
        return []
    each = height // len(shots) - CAPTION_SIZE - 2 * MARGIN
    side = max(110, min(THUMBNAIL, each))
    fitting = max(1, height // (side + CAPTION_SIZE + 2 * MARGIN))
    return [_thumbnail(shot, side) for shot in shots[:fitting]]


def _thumbnail(shot: Shot, side: int) -> Image.Image:
    """The annotated object with some of what is around it, and its label below."""
    window = _square_window(np.logical_or.reduce(shot.masks))
    marks = [Mark(np.ascontiguousarray(mask[window]), shot.colour) for mask in shot.masks]
    crop = draw_marks(np.ascontiguousarray(shot.image[window]), marks, longest_side=side)
    canvas = Image.new("RGB", (side, crop.height + CAPTION_SIZE + MARGIN), BACKGROUND)
    canvas.paste(crop, ((side - crop.width) // 2, 0))
    caption = ImageDraw.Draw(canvas)
    caption.text(
        (side // 2, canvas.height - CAPTION_SIZE // 3),
        f"reference: {shot.label}",
        font=font_of(CAPTION_SIZE * min(1, side / 200)),
        fill=shot.colour,
        anchor="ms",
    )
    return canvas


def _square_window(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns of a square around the mask, cut at the border of the image."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    half = max(rows[-1] - rows[0], columns[-1] - columns[0], 8) * (0.5 + CONTEXT)
    return _around(rows, half, mask.shape[0]), _around(columns, half, mask.shape[1])


def _around(places: NDArray[np.intp], half: float, size: int) -> slice:
    """From *half* before to *half* after the middle of the places."""
    middle = (places[0] + places[-1]) / 2
    return slice(max(0, round(middle - half)), min(size, round(middle + half) + 1))


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
