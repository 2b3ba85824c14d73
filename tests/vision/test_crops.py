"""Crops: one object cut out of its image."""

import numpy as np
import torch
from torch import Tensor

from backend.vision.crops import GREY, crop, square_around, window
from backend.vision.sam import to_grid
from tests.vision.made_by_hand import embedding

SIDE = 16  # low-resolution pixels along the padded square of 64


def logits(height: int, width: int, box: tuple[slice, slice]) -> Tensor:
    """Logits of a box in pixels of an image."""
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[box] = True
    return to_grid(mask, embedding(height, width), side=SIDE) - 0.5


def test_a_crop_shows_the_object_and_not_its_neighbour() -> None:
    """A red object at the right of a wide image, a green one at the left: swapped axes would miss both."""
    image = np.zeros((16, 32, 3), dtype=np.uint8)
    image[4:12, 20:28] = (255, 0, 0)
    image[4:12, 4:12] = (0, 255, 0)

    pixels = crop(
        image, logits(16, 32, (slice(4, 12), slice(20, 28))), embedding(16, 32), size=8, masked=False
    )

    assert pixels[0].min() == 255
    assert pixels[1].max() == 0


def test_a_masked_crop_is_grey_beside_the_object() -> None:
    """An object of 8 x 16 in its square: the upper and the lower quarter are not object."""
    image = np.full((16, 32, 3), 255, dtype=np.uint8)

    pixels = crop(
        image, logits(16, 32, (slice(4, 12), slice(8, 24))), embedding(16, 32), size=16, masked=True
    )

    assert set(pixels[:, :3].flatten().tolist()) == set(GREY)
    assert set(pixels[:, 13:].flatten().tolist()) == set(GREY)
    assert set(pixels[:, 5:11].flatten().tolist()) == {255}


def test_a_square_reaches_beyond_the_edge_and_is_grey_there() -> None:
    """Two columns left of the image and one row above it."""
    image = np.full((3, 5, 3), 9, dtype=np.uint8)

    pixels = window(image, -2, -1, 4)

    assert pixels[0].tolist() == [[127] * 4, [127, 127, 9, 9], [127, 127, 9, 9], [127, 127, 9, 9]]


def test_an_empty_mask_has_a_square_all_the_same() -> None:
    """A candidate may be empty; it resembles nothing, and nothing crashes."""
    left, top, side = square_around(torch.zeros(SIDE, SIDE, dtype=torch.bool), embedding(16, 32))

    assert (left, top, side) == (0, 0, 2)


def test_a_square_reaches_beyond_the_far_edges_too() -> None:
    """One row below the image and two columns right of it, in three different values."""
    image = np.full((3, 5, 3), 9, dtype=np.uint8)

    pixels = window(image, 3, 0, 4, fill=(1, 2, 3))

    assert pixels[:, 0].tolist() == [[9, 9, 1, 1], [9, 9, 2, 2], [9, 9, 3, 3]]
    assert pixels[:, 3].tolist() == [[1] * 4, [2] * 4, [3] * 4]


def test_a_masked_crop_is_filled_with_the_colour_asked_for() -> None:
    """Each channel has its own mean in most encoders."""
    image = np.full((16, 32, 3), 255, dtype=np.uint8)
    box = logits(16, 32, (slice(4, 12), slice(8, 24)))

    pixels = crop(image, box, embedding(16, 32), size=16, masked=True, fill=(124, 116, 104))

    assert pixels[:, 0, 0].tolist() == [124, 116, 104]
    assert pixels[:, 8, 8].tolist() == [255, 255, 255]
