"""The target embedding, and the masks that break the published one."""

import pytest
import torch

from backend.vision.errors import EmptyReferenceMaskError
from backend.vision.target import cell_weights, target_embedding


def test_only_cells_under_the_reference_mask_count() -> None:
    """The mean is taken inside the mask; (1, 2) is bright but outside it."""
    features = torch.zeros(2, 2, 3)
    features[:, 0, 1] = torch.tensor([3.0, 4.0])
    features[:, 1, 2] = torch.tensor([9.0, 0.0])
    coverage = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])

    assert target_embedding(features, coverage).tolist() == [3, 4]


def test_a_cell_counts_by_how_much_of_it_is_covered() -> None:
    """A full cell and a half one: two to one."""
    features = torch.tensor([[[3.0, 0.0, 6.0]]])
    coverage = torch.tensor([[1.0, 0.0, 0.5]])

    assert target_embedding(features, coverage).tolist() == [4]


def test_the_mean_is_not_normalised() -> None:
    """Target-semantic prompting needs the raw mean."""
    features = torch.full((2, 2, 3), 7.0)

    assert target_embedding(features, torch.ones(2, 3)).tolist() == pytest.approx([7, 7])


def test_a_mask_smaller_than_a_cell_stands_for_the_cell_it_covers_best() -> None:
    """The published code finds no cell above its threshold, and answers NaN."""
    features = torch.tensor([[[1.0, 5.0, 9.0]]])
    coverage = torch.tensor([[0.01, 0.02, 0.0]])

    assert target_embedding(features, coverage).tolist() == [5]


def test_weights_sum_to_one() -> None:
    """Whatever is covered."""
    assert float(cell_weights(torch.rand(3, 5)).sum()) == pytest.approx(1)


def test_an_empty_mask_is_an_error_and_not_nan() -> None:
    """The published code divides by zero here."""
    with pytest.raises(EmptyReferenceMaskError, match=r"\(3, 5\) cells"):
        target_embedding(torch.zeros(2, 3, 5), torch.zeros(3, 5))
