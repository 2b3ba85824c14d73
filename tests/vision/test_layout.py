"""Layouts: which colours lie where on a thing, however it lies in its image."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from backend.vision.colour import colour_histograms
from backend.vision.layout import CELLS, laid_straight, layouts_of, likeness
from backend.vision.sam import ImageEmbedding, resized_size

HEIGHT, WIDTH = 192, 256  # masks of 64 x 64 pixels, of which 48 x 64 show the image
GROUND, GREEN, WHITE, BLACK = (120, 90, 60), (30, 110, 60), (240, 240, 240), (10, 10, 10)
EMBEDDING = ImageEmbedding(torch.zeros(2, 16, 16), (HEIGHT, WIDTH), resized_size(HEIGHT, WIDTH, 256), 256)
ONE_WAY = ((0, 0), (2, 1), (5, 2)), ((4, 0), (1, 3))  # places of white parts, and of black ones, of 6 x 4
OTHER_WAY = ((1, 2), (3, 0), (4, 3)), ((0, 3), (5, 1))


def board(places: tuple[tuple[tuple[int, int], ...], ...], *, part: int = 16) -> Image.Image:
    """A green board of 6 x 4 places, some of them with a white or a black part."""
    pixels = np.full((4 * part, 6 * part, 3), GREEN, dtype=np.uint8)
    for where, colour in zip(places, (WHITE, BLACK), strict=True):
        for column, row in where:
            pixels[row * part : (row + 1) * part, column * part : (column + 1) * part] = colour
    return Image.fromarray(pixels)


def photo(thing: Image.Image, *, turned: float = 0) -> tuple[NDArray[np.uint8], Tensor]:
    """The thing on brown ground, and its low-resolution mask, (1, 64, 64) bool."""
    opaque = Image.new("L", thing.size, 255)
    both = [one.rotate(turned, expand=True, resample=Image.Resampling.BILINEAR) for one in (thing, opaque)]
    corner = (WIDTH - both[0].width) // 2, (HEIGHT - both[0].height) // 2
    picture, mask = Image.new("RGB", (WIDTH, HEIGHT), GROUND), Image.new("L", (256, 256))
    picture.paste(both[0], corner, both[1])
    mask.paste(both[1], corner)
    return np.asarray(picture), torch.from_numpy(np.array(mask.resize((64, 64))) > 127)[None]


def layout(thing: Image.Image, *, turned: float = 0) -> Tensor:
    """Its layout, (1, 3, CELLS, CELLS)."""
    return layouts_of(*photo(thing, turned=turned), EMBEDDING)


@pytest.mark.parametrize("turned", [0, 25, 90, 160, 180, 270])
def test_a_thing_is_like_itself_however_it_lies(turned: float) -> None:
    """Half a millimetre here and there: low-resolution masks are rough."""
    assert float(likeness(layout(board(ONE_WAY), turned=turned), layout(board(ONE_WAY)))) > 0.8


def test_a_smaller_one_is_as_like() -> None:
    """Its sides are two thirds as long."""
    assert float(likeness(layout(board(ONE_WAY, part=12)), layout(board(ONE_WAY, part=18)))) > 0.8


def test_the_same_parts_elsewhere_are_another_layout_though_all_colours_are_the_same() -> None:
    """Colours say that the two are one; the layout says that they have little in common."""
    one, other = photo(board(ONE_WAY)), photo(board(OTHER_WAY))

    first, second = (colour_histograms(*each, EMBEDDING)[0] for each in (one, other))

    assert float(first @ second) > 0.95
    assert float(likeness(layouts_of(*one, EMBEDDING), layouts_of(*other, EMBEDDING))) < 0.4


def test_a_mirrored_one_is_another() -> None:
    """A board's other side shows other parts; and no quarter turn makes a mirror image."""
    mirrored = board(ONE_WAY).transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    assert float(likeness(layout(mirrored), layout(board(ONE_WAY)))) < 0.5


def test_shading_is_no_layout() -> None:
    """Light from the left on one colour and on another: round things all have it."""
    light = np.linspace(0.7, 1.0, 96)[None, :, None]
    shaded = [np.round(np.ones((64, 1, 1)) * light * np.array(colour)) for colour in (WHITE, (200, 60, 40))]
    one, other = (layout(Image.fromarray(pixels.astype(np.uint8))) for pixels in shaded)
    noisy = layout(board(ONE_WAY))

    assert float(likeness(one, noisy)) < 0.4
    assert float(likeness(other, noisy)) < 0.4


def test_one_colour_has_no_layout() -> None:
    """Nothing lies anywhere, but for the ground that shines through at the rim."""
    assert float(likeness(layout(Image.new("RGB", (96, 64), GREEN)), layout(board(ONE_WAY)))) < 0.2


def test_what_lies_beside_the_thing_does_not_count() -> None:
    """The same board on black ground."""
    pixels, mask = photo(board(ONE_WAY))
    night = pixels.copy()
    night[(pixels == GROUND).all(axis=2)] = 0

    both = [layouts_of(one, mask, EMBEDDING) for one in (pixels, night)]

    assert float(likeness(*both)) > 0.9


def test_an_empty_mask_is_like_nothing() -> None:
    """Zeros, not NaN; and no masks have no layouts."""
    pixels, mask = photo(board(ONE_WAY))
    empty = torch.zeros_like(mask)

    assert not layouts_of(pixels, empty, EMBEDDING).any()
    assert layouts_of(pixels, mask[:0], EMBEDDING).shape == (0, 3, CELLS, CELLS)


def test_each_thing_of_an_image_has_its_own() -> None:
    """Whatever else is asked about in the same pass."""
    pixels, mask = photo(board(ONE_WAY))
    part = mask.clone()
    part[:, :, 32:] = False

    both = layouts_of(pixels, torch.cat([part, mask]), EMBEDDING)

    assert torch.allclose(both[1:], layouts_of(pixels, mask, EMBEDDING), atol=1e-4)
    assert not torch.allclose(both[0], both[1])


def test_a_grid_runs_from_side_to_side_of_an_upright_box() -> None:
    """Columns 2 to 6 and rows 1 to 3 of 8 x 4: x from -0.5 to 0.5, y from -0.5 to 0.5, in pixels' middles."""
    mask = torch.zeros(4, 8)
    mask[1:3, 2:6] = 1

    grid = laid_straight(mask)

    assert grid[0, 0].tolist() == pytest.approx([2.5 / 4 - 1, 1.5 / 2 - 1], abs=0.02)
    assert grid[-1, -1].tolist() == pytest.approx([5.5 / 4 - 1, 2.5 / 2 - 1], abs=0.02)


def test_likeness_is_that_of_the_best_quarter_turn() -> None:
    """A corner of each: turned, they lie on each other; three corners in a row do not."""
    corner, row = torch.zeros(2, 1, 3, 2, 2)
    corner[:, :, 0, 0], row[:, :, 0, :] = 3**-0.5, 6**-0.5
    turned = torch.rot90(corner, 1, (2, 3))

    found = likeness(torch.cat([corner, row]), torch.cat([turned, turned, row]))

    assert torch.allclose(found, torch.tensor([[1, 1, 0.5**0.5], [0.5**0.5, 0.5**0.5, 1]]))
