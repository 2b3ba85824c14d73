"""Pictures of masks on their image: translucent colour, crisp contour, a readable tag per instance."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Colour = tuple[int, int, int]

LONGEST_SIDE = 1400  # of the drawn image: small images are enlarged until contours and tags are crisp
FILL = 0.42
INK: Colour = (18, 20, 24)
PAPER: Colour = (246, 246, 244)
GOLDEN_ANGLE = 0.618034
LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Mark:
    """One mask to be drawn.

    Attributes:
        mask: (H, W) bool, at the size of the image.
        colour: of its fill and contour.
        tags: what to write on it, the longest first; the first that fits is taken, the last in any case.
        hatched: stripes instead of an even fill, for what is not there.
    """

    mask: NDArray[np.bool_]
    colour: Colour
    tags: tuple[str, ...] = ()
    hatched: bool = False


def instance_colour(number: int) -> Colour:
    """A vivid colour, far from those of the numbers just before."""
    red, green, blue = colorsys.hls_to_rgb((0.02 + number * GOLDEN_ANGLE) % 1, 0.56, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_marks(
    image: NDArray[np.uint8], marks: Sequence[Mark], *, longest_side: int = LONGEST_SIDE
) -> Image.Image:
    """The image with all marks on it, its longest side resized to *longest_side*.

    Args:
        image: (H, W, 3) uint8 RGB.
        marks: masks of all of it, in pixels of whatever size; later ones lie above earlier ones.
        longest_side: of the picture that comes back, in pixels.
    """
    height, width = image.shape[:2]
    scale = longest_side / max(height, width)
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Image.fromarray(image).resize(size_wh, Image.Resampling.LANCZOS)
    canvas = np.array(picture, dtype=np.uint8)
    resized = [_resized(mark.mask, size_wh) for mark in marks]
    stroke = max(2, round(longest_side / 480))
    for mark, mask in zip(marks, resized, strict=True):
        _paint(canvas, mask, mark, stroke)
    picture = Image.fromarray(canvas)
    for mark, mask in zip(marks, resized, strict=True):
        _write_tag(picture, mask, mark)
    return picture


def _resized(mask: NDArray[np.bool_], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask at another size, with a smooth outline."""
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size_wh, Image.Resampling.BICUBIC)
    return np.asarray(grey) >= 128


def _paint(canvas: NDArray[np.uint8], mask: NDArray[np.bool_], mark: Mark, stroke: int) -> None:
    """Fill and outline one mask, in place; only the window around it is touched."""
    window = _window(mask, stroke + 2)
    if window is None:
        return
    part, inside = canvas[window], mask[window]
    colour = np.array(mark.colour, dtype=np.float32)
    filled = inside & _stripes(inside.shape, 3 * stroke) if mark.hatched else inside
    part[filled] = (part[filled] * (1 - FILL) + colour * FILL).astype(np.uint8)
    distance = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(~inside)
    part[(outside > 0) & (outside <= max(1, stroke // 2))] = INK
    part[inside & (distance <= stroke)] = mark.colour


def _stripes(shape: tuple[int, ...], period: int) -> NDArray[np.bool_]:
    """Diagonal stripes, (H, W) bool."""
    rows, columns = np.indices(shape)
    return np.asarray((rows + columns) % (2 * period) < period)


def _window(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice] | None:
    """Rows and columns of the mask with a margin around them; None if it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return (
        slice(max(0, rows[0] - margin), rows[-1] + margin + 1),
        slice(max(0, columns[0] - margin), columns[-1] + margin + 1),
    )


def _write_tag(picture: Image.Image, mask: NDArray[np.bool_], mark: Mark) -> None:
    """Write the longest tag that fits into the mask at its innermost point."""
    window = _window(mask, 1)
    if window is None or not mark.tags:
        return
    distance = ndimage.distance_transform_edt(np.pad(mask[window], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    centre_xy = int(column) + window[1].start, int(row) + window[0].start
    room = 1.95 * float(distance.max())
    font = tag_font(max(picture.size), room)
    fitting = [tag for tag in mark.tags if font.getlength(tag) <= room]
    draw_pill(picture, centre_xy, (fitting or mark.tags[-1:])[0], font, mark.colour)


def tag_font(longest_side: int, room: float) -> ImageFont.FreeTypeFont:
    """A font for a tag in a mask that is *room* pixels wide: readable, and not larger than need be."""
    return font_of(min(longest_side / 62, max(longest_side / 100, room / 3)))


def font_of(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font in that size."""
    font = ImageFont.load_default(round(size))
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("expected a Pillow that was built with FreeType: install Pillow's wheel")
    return font


def draw_pill(
    picture: Image.Image, centre_xy: tuple[int, int], text: str, font: ImageFont.FreeTypeFont, colour: Colour
) -> None:
    """Write on a small rounded plate in *colour*, moved inside the picture where it would leave it."""
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = font.size * 0.32
    half_w, half_h = (right - left) / 2 + pad, (bottom - top) / 2 + pad
    x = min(max(centre_xy[0], half_w), picture.width - half_w)
    y = min(max(centre_xy[1], half_h), picture.height - half_h)
    draw.rounded_rectangle((x - half_w, y - half_h, x + half_w, y + half_h), radius=pad * 1.4, fill=colour)
    ink = INK if np.dot(colour, LUMINANCE) > 120 else PAPER
    draw.text((x, y), text, font=font, fill=ink, anchor="mm")
