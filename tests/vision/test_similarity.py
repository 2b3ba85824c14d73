"""The similarity map."""

import pytest
import torch

from backend.vision.similarity import LEAST_LENGTH, lengths, similarity_map, unit_cells


def test_similarity_is_the_cosine_with_the_target() -> None:
    """The same direction at any length is 1, a right angle 0, the opposite -1."""
    features = torch.tensor([[[2.0, 0.0, -5.0]], [[0.0, 3.0, 0.0]]])  # (2, 1, 3)

    similarity = similarity_map(features, torch.tensor([7.0, 0.0]), torch.ones(1, 3, dtype=torch.bool))

    assert similarity.tolist() == [[1, 0, -1]]


def test_rows_and_columns_keep_their_places() -> None:
    """A map of 2 x 3 with one cell that is like the target."""
    features = torch.zeros(2, 2, 3)
    features[1] = 1
    features[:, 1, 2] = torch.tensor([1.0, 0.0])

    similarity = similarity_map(features, torch.tensor([1.0, 0.0]), torch.ones(2, 3, dtype=torch.bool))

    assert similarity.tolist() == [[0, 0, 0], [0, 0, 1]]


def test_padding_is_never_more_similar_than_the_image() -> None:
    """The encoder answers something on padding, too; here it is the target itself."""
    features = torch.tensor([[[1.0, 1.0, 1.0]], [[1.0, 3.0, 0.0]]])
    valid = torch.tensor([[True, True, False]])

    similarity = similarity_map(features, torch.tensor([1.0, 0.0]), valid)

    assert float(similarity[0, 2]) == pytest.approx(float(similarity[0, :2].min()))


def test_lengths_are_those_of_each_cells_vector() -> None:
    """3, 4 is 5 long; nothing is not quite 0 long, so that it can be divided by that."""
    features = torch.zeros(2, 1, 3)
    features[:, 0, 1] = torch.tensor([3.0, -4.0])

    assert lengths(features)[0].tolist() == pytest.approx([LEAST_LENGTH, 5, LEAST_LENGTH])
    assert unit_cells(features)[:, 0].T.tolist() == [
        [0, 0],
        [pytest.approx(0.6), pytest.approx(-0.8)],
        [0, 0],
    ]
