"""Colour histograms of masks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.color import rgb2lab

from backend.vision.colour import colour_bins, colour_histograms, lab
from backend.vision.sam import ImageEmbedding, resized_size

RED, BLUE = (255, 0, 0), (0, 0, 255)
EMBEDDING = ImageEmbedding(torch.zeros(2, 4, 4), (32, 64), resized_size(32, 64, 64), 64)


def halves() -> NDArray[np.uint8]:
    """Red on the left, blue on the right, 32 x 64: its masks have 16 x 16 pixels, of which 8 x 16 show it."""
    image = np.zeros((32, 64, 3), dtype=np.uint8)
    image[:, :32], image[:, 32:] = RED, BLUE
    return image


def columns(*at: slice, rows: slice = slice(0, 8)) -> torch.Tensor:
    """A mask of some columns, (1, 16, 16) bool."""
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    for one in at:
        mask[:, rows, one] = True
    return mask


def test_the_same_colours_are_fully_alike_and_others_not_at_all() -> None:
    """Two places on the red half, one on the blue; the seam between them is left out."""
    masks = torch.cat([columns(slice(0, 3)), columns(slice(4, 6)), columns(slice(9, 16))])

    red, also_red, blue = colour_histograms(halves(), masks, EMBEDDING)

    assert float(red @ also_red) == pytest.approx(1)
    assert float(red @ blue) == 0


def test_a_thing_of_two_colours_is_half_like_a_thing_of_one() -> None:
    """Three columns of each: the Bhattacharyya coefficient is the root of a half."""
    masks = torch.cat([columns(slice(0, 3)), columns(slice(0, 3), slice(13, 16))])

    red, both = colour_histograms(halves(), masks, EMBEDDING)

    assert float(red @ both) == pytest.approx(0.5**0.5)


def test_padding_has_no_colour() -> None:
    """A mask that runs on below the image counts for what it shows of it."""
    masks = torch.cat([columns(slice(0, 3)), columns(slice(0, 3), rows=slice(0, 16))])

    inside, beyond = colour_histograms(halves(), masks, EMBEDDING)

    assert torch.equal(inside, beyond)


def test_an_empty_mask_is_like_nothing() -> None:
    """Zeros, not NaN; and no masks have no colours."""
    empty = torch.zeros(2, 16, 16, dtype=torch.bool)

    assert not colour_histograms(halves(), empty, EMBEDDING).any()
    assert len(colour_histograms(halves(), empty[:0], EMBEDDING)) == 0


def test_the_space_is_the_one_of_scikit_image() -> None:
    """Black, white, the corners of the cube, near-blacks on both sides of the bend, and anything."""
    corners = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, 8).T
    dark = np.array([[0.04, 0.041, 0.039], [0.0405, 0.0404, 0.05], [0.001, 0.002, 0.003]])
    some = np.random.default_rng(0).random((10, 3))
    rgb = np.concatenate([corners, dark, some]).reshape(3, 7, 3)

    ours = lab(torch.from_numpy(rgb).float().permute(2, 0, 1)).permute(1, 2, 0).numpy()

    assert np.allclose(ours, rgb2lab(rgb), atol=0.01)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_every_colour_has_a_bin_of_the_histogram(rgb: tuple[int, int, int]) -> None:
    """Also the deepest blue and the brightest white, which lie at the edge of the space."""
    image = np.full((32, 64, 3), rgb, dtype=np.uint8)
    everywhere = torch.ones(1, 16, 16, dtype=torch.bool)

    (histogram,) = colour_histograms(image, everywhere, EMBEDDING)

    assert histogram.max() == 1


def test_lightness_and_both_hues_tell_colours_apart() -> None:
    """Grey against a lighter one, red, green, yellow and blue: each differs in one of L*, a* and b*."""
    colours = [(50, 0, 0), (90, 0, 0), (50, 40, 0), (50, -40, 0), (50, 0, 40), (50, 0, -40)]

    bins = colour_bins(torch.tensor(colours).T[:, None].float())  # (1, 6)

    assert len(set(bins.flatten().tolist())) == 6
