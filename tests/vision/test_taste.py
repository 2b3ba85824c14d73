"""Taste: the direction in which confirmed and deleted candidates differ."""

import pytest
import torch

from backend.vision.errors import LearnedError
from backend.vision.taste import CLEAR, MOST, SHRINKAGE, Taste, taste_of, unspread


def two_kinds(count: int, *, apart: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of 20 numbers: kinds differ in the first, and both spread much in the second."""
    random = torch.Generator().manual_seed(0)
    right = torch.arange(count) % 2 == 0
    vectors = 0.1 * torch.randn(count, 20, generator=random)
    vectors[:, 1] *= 30
    vectors[:, 0] += apart * right
    return vectors, right


def test_confirmed_ones_are_around_one_and_deleted_ones_around_minus_one() -> None:
    """By the mean of each kind."""
    vectors, right = two_kinds(100)

    taste = taste_of(vectors, right)

    assert taste is not None
    values = taste.values(vectors)
    assert values[right].mean().item() == pytest.approx(1, abs=0.05)
    assert values[~right].mean().item() == pytest.approx(-1, abs=0.05)
    assert values.abs().max() <= CLEAR


def test_what_spreads_within_both_kinds_tells_little() -> None:
    """The second number differs by chance only, but far."""
    taste = taste_of(*two_kinds(100))

    assert taste is not None
    assert abs(taste.direction[0]) > 10 * abs(taste.direction[1])


@pytest.mark.parametrize("right", [[True] * 4, [False] * 4, [True, False, False, False]])
def test_too_few_of_a_kind_teach_no_taste(right: list[bool]) -> None:
    """One confirmed thing is the one shot again."""
    assert taste_of(torch.eye(4), torch.tensor(right)) is None


def test_what_looks_the_same_teaches_no_taste() -> None:
    """Confirmed here, deleted there."""
    assert taste_of(torch.ones(6, 3), torch.arange(6) < 3) is None


def test_many_candidates_are_thinned_out_evenly() -> None:
    """A bound on the work: with three times as many every third is compared."""
    vectors, right = two_kinds(3 * MOST)

    assert taste_of(vectors, right) == taste_of(vectors[::3], right[::3])


def test_the_covariance_is_divided_by_as_if_it_were_written_out() -> None:
    """Five rows of three numbers, and the other way round."""
    for shape in ((5, 3), (3, 5)):
        rows = torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        apart = torch.arange(1, shape[1] + 1).double()
        ball = SHRINKAGE * float(rows.square().sum()) / shape[0] / 3

        found = unspread(rows, apart)

        covariance = rows.T @ rows / shape[0] + ball * torch.eye(shape[1], dtype=torch.float64)
        assert torch.allclose(covariance @ found, apart)


def test_vectors_of_another_encoder_are_refused() -> None:
    """It says what was expected, what came and what to do."""
    with pytest.raises(LearnedError, match=r"2 numbers.*got 3; learn anew"):
        Taste((1.0, 0.0), 0.0, 1.0).values(torch.zeros(1, 3))
