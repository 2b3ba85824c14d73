"""The location prior: x before y, inside the image, background as label 0."""

import pytest
import torch

from backend.vision.location_prior import NEGATIVE, POSITIVE, cell_centres_xy, location_prior
from tests.vision.made_by_hand import embedding

ALL = torch.ones(3, 5, dtype=torch.bool)


def test_the_prior_is_the_most_and_the_least_similar_cell() -> None:
    """As (column, row): on 3 x 5 cells swapped axes would leave the grid."""
    similarity = torch.zeros(3, 5)
    similarity[1, 4] = 0.9
    similarity[2, 0] = -0.8

    prior = location_prior(similarity, ALL)

    assert prior.positive_xy == (4, 1)
    assert prior.negative_xy == (0, 2)
    assert prior.similarity == pytest.approx(0.9)


def test_the_prior_never_falls_on_padding() -> None:
    """The last column is padding, with both extremes in it."""
    similarity = torch.tensor([[0.1, 0.5, 0.9], [0.2, 0.3, -0.9]])
    valid = torch.tensor([[True, True, False], [True, True, False]])

    prior = location_prior(similarity, valid)

    assert prior.positive_xy == (1, 0)
    assert prior.negative_xy == (0, 0)


def test_a_negative_point_has_label_0() -> None:
    """The documentation of transformers calls -1 the background; its code takes that for no point at all."""
    assert (POSITIVE, NEGATIVE) == (1, 0)


def test_a_cell_centre_is_in_pixels_of_the_image() -> None:
    """An image of 24 x 32 is doubled in its square: a cell is 8 of its pixels."""
    assert cell_centres_xy(torch.tensor([[0, 0], [3, 1]]), embedding(24, 32)).tolist() == [[4, 4], [28, 12]]


def test_the_centre_of_a_cell_that_is_mostly_padding_is_moved_into_the_image() -> None:
    """Of 17 rows at a scale of one, the second row of cells shows a single one."""
    (point,) = cell_centres_xy(torch.tensor([[2, 1]]), embedding(17, 64)).tolist()

    assert point == pytest.approx([40, 16.5])
