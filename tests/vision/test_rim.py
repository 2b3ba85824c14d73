"""What lies along an outline, on images drawn by hand."""

import numpy as np
import pytest
import torch

from backend.vision.rim import BAND, colours_of, rim_of
from backend.vision.sam import ImageEmbedding
from tests.vision.test_edge_regression import LARGE, SHOWN, box, painted


def test_the_band_is_as_wide_on_either_side() -> None:
    """Pixels whose middles lie within three and a half pixels of the outline."""
    rim = rim_of(LARGE, painted(LARGE))
    assert rim is not None
    row = rim.band[15 - rim.rows.start]  # through the middle of the box

    assert BAND == 3.5
    columns = row.nonzero()[0] + rim.columns.start
    assert columns.tolist() == [*range(18 - 4, 18 + 4), *range(40 - 4, 40 + 4)]


def test_at_the_image_edge_there_is_an_outline_on_the_other_sides() -> None:
    """A mask that the image cuts off has none where it is cut off: the square's rest is no image."""
    rim = rim_of(box(40, 20, 20, 12), painted())

    assert rim is not None
    assert rim.inside.shape[0] == SHOWN[0] - (40 - 14)
    assert not rim.band[-1, 26 - rim.columns.start]


def test_colours_are_those_of_the_image_in_low_resolution() -> None:
    """Of 4:3: white above black is 100 above 0, and no row of padding is there."""
    embedding = ImageEmbedding(torch.zeros(8, 16, 16), (96, 128), (48, 64), 64)
    window = np.zeros((96, 128, 3), dtype=np.uint8)
    window[:40] = 255

    colours = colours_of(window, embedding)

    assert colours.shape == (*SHOWN, 3)
    assert colours[:18, :, 0] == pytest.approx(100, abs=0.1)
    assert colours[22:, :, 0] == pytest.approx(0, abs=0.1)
