"""Crops and vectors of the semantic encoder."""

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.vision.sam import ImageEmbedding, resized_size, to_grid
from backend.vision.semantics import GREY, SemanticEncoder, crop, square_around, window

SIDE = 16  # low-resolution pixels along the padded square of 64


def embedding(height: int, width: int) -> ImageEmbedding:
    """An empty embedding of 4 x 4 cells of 16 pixels."""
    return ImageEmbedding(torch.zeros(2, 4, 4), (height, width), resized_size(height, width, 64), 64)


def logits(height: int, width: int, box: tuple[slice, slice]) -> Tensor:
    """Logits of a box in pixels of an image."""
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[box] = True
    return to_grid(mask, embedding(height, width), side=SIDE) - 0.5


def mean_colour(pixels: Tensor) -> Tensor:
    """An encoder that only sees colour."""
    return pixels


def test_a_vector_has_length_one() -> None:
    """The cosine of two vectors is their product."""
    crops = torch.randint(
        0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )

    vectors = SemanticEncoder(mean_colour, input_size=8).vectors(crops)

    assert vectors.shape == (20, 3)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1] * 20)


def test_pixels_are_centred_on_grey() -> None:
    """EfficientNet-Lite wants (x - 127) / 128."""
    seen: list[Tensor] = []

    def features(pixels: Tensor) -> Tensor:
        seen.append(pixels)
        return pixels

    SemanticEncoder(features, input_size=2).vectors(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))

    assert set(seen[0].flatten().tolist()) == {1}


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

    assert set(pixels[:, :3].flatten().tolist()) == {GREY}
    assert set(pixels[:, 13:].flatten().tolist()) == {GREY}
    assert set(pixels[:, 5:11].flatten().tolist()) == {255}


def test_a_square_reaches_beyond_the_edge_and_is_grey_there() -> None:
    """Two columns left of the image and one row above it."""
    image = np.full((3, 5, 3), 9, dtype=np.uint8)

    pixels = window(image, -2, -1, 4)

    assert pixels[0].tolist() == [[GREY] * 4, [GREY, GREY, 9, 9], [GREY, GREY, 9, 9], [GREY, GREY, 9, 9]]


def test_an_empty_mask_has_a_square_all_the_same() -> None:
    """A candidate may be empty; it resembles nothing, and nothing crashes."""
    left, top, side = square_around(torch.zeros(SIDE, SIDE, dtype=torch.bool), embedding(16, 32))

    assert (left, top, side) == (0, 0, 2)
