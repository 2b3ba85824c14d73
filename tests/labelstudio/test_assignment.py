"""Pairs with the largest sum, against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from backend.labelstudio.assignment import best_pairs


def test_the_largest_sum_counts_not_the_largest_pair() -> None:
    """Greedy would take 0.9 first, and leave 0.1."""
    assert best_pairs(np.array([[0.9, 0.8], [0.8, 0.1]])) == [(0, 1), (1, 0)]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nothing_has_no_pairs(shape: tuple[int, int]) -> None:
    assert best_pairs(np.zeros(shape)) == []


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_the_pairs_are_as_good_as_scipys(rows: int, columns: int, data: st.DataObject) -> None:
    """Many equal values, so that there are many ties; the sums are then the same, not the pairs."""
    values = st.sampled_from([0.0, 0.25, 0.5, 0.5, 0.75, 1.0])
    drawn = data.draw(st.lists(values, min_size=rows * columns, max_size=rows * columns))
    worth = np.array(drawn).reshape(rows, columns)

    pairs = best_pairs(worth)

    chosen_rows, chosen_columns = zip(*pairs, strict=True)
    assert len(set(chosen_rows)) == len(set(chosen_columns)) == len(pairs) == min(rows, columns)
    assert worth[chosen_rows, chosen_columns].sum() == worth[linear_sum_assignment(-worth)].sum()


def test_large_random_worth_is_paired_as_scipy_does() -> None:
    worth = np.random.default_rng(3).random((60, 90))

    assert best_pairs(worth) == list(zip(*map(list, linear_sum_assignment(-worth)), strict=True))
