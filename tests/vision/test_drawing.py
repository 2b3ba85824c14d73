"""Masks drawn in their own window are those drawn in the whole image."""

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from backend.vision.drawing import object_window
from backend.vision.sam import ImageEmbedding, Sam, resized_size
from tests.tiny_sam import INPUT_SIZE, tiny_sam
from tests.tiny_sam_families import tiny_sam2_model

LOW = INPUT_SIZE // 2  # low-resolution pixels along a side


def embedding(height: int, width: int) -> ImageEmbedding:
    resized_hw = resized_size(height, width, INPUT_SIZE)
    return ImageEmbedding(torch.zeros(2, 8, 8), (height, width), resized_hw, INPUT_SIZE)


def patches(seed: int) -> torch.Tensor:
    """Smooth patches anywhere, also across the edges."""
    noise = torch.randn(1, 1, LOW + 4, LOW + 4, generator=torch.Generator().manual_seed(seed))
    return avg_pool2d(noise, 5, stride=1)[0, 0] - 0.25


@pytest.mark.parametrize("size_hw", [(30, 50), (300, 211), (64, 64), (7, 333), (640, 20)])
@pytest.mark.parametrize("seed", range(6))
def test_the_window_holds_what_the_whole_image_would(size_hw: tuple[int, int], seed: int) -> None:
    sam, seen, logits = tiny_sam(), embedding(*size_hw), patches(seed)

    window = object_window(sam, logits, seen)

    assert window.size_hw == size_hw
    assert np.array_equal(window.mask, (sam.upscale(logits, seen) > 0).numpy())


def test_where_the_image_is_stretched_over_the_square_it_is_the_same() -> None:
    """SAM 2 has no padding: 32 x 32 logits become 30 x 50 pixels."""
    model = tiny_sam2_model()
    sam = Sam(model, lambda _: torch.zeros(1, 2, 8, 8), input_size=INPUT_SIZE)
    seen = ImageEmbedding(torch.zeros(2, 8, 8), (30, 50), (INPUT_SIZE, INPUT_SIZE), INPUT_SIZE)
    logits = torch.full((LOW, LOW), -1.0)
    logits[20:26, 3:9] = 1.0

    window = object_window(sam, logits, seen)

    assert 0 < window.pixels.size < 0.1 * 30 * 50
    assert np.array_equal(window.mask, (sam.upscale(logits, seen) > 0).numpy())


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (LOW // 2, LOW // 3)])
def test_one_low_resolution_pixel_is_drawn_where_it_lies(corner: tuple[int, int]) -> None:
    """The image is square, so the corners of the frame are its own."""
    sam, seen = tiny_sam(), embedding(200, 200)
    logits = torch.full((LOW, LOW), -1.0)
    logits[corner] = 1.0

    window = object_window(sam, logits, seen)

    assert 0 < window.pixels.size < 0.1 * 200 * 200
    assert np.array_equal(window.mask, (sam.upscale(logits, seen) > 0).numpy())


def test_nothing_is_an_empty_window() -> None:
    window = object_window(tiny_sam(), torch.full((LOW, LOW), -1.0), embedding(30, 50))

    assert window.area == 0
    assert not window.mask.any()
    assert window.mask.shape == (30, 50)


@pytest.mark.parametrize("rows", [slice(8, 12), slice(-4, None)], ids=["close to the image", "far from it"])
def test_what_lies_in_the_padding_is_no_object(rows: slice) -> None:
    """A wide image leaves the lower part of the square empty: all but 5.5 of its 32 rows."""
    logits = torch.full((LOW, LOW), -1.0)
    logits[rows] = 1.0

    assert object_window(tiny_sam(), logits, embedding(10, 60)).area == 0
