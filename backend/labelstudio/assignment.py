"""The best way to pair two lists one to one, where each pair is worth something (the Hungarian method)."""

import numpy as np
from numpy.typing import NDArray


def best_pairs(worth: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The one-to-one pairs with the largest sum of worth, by row.

    Rows are added one by one; each takes the cheapest path along which earlier rows make room for it. (This
    package does without SciPy, which is large.)

    Args:
        worth: of each row with each column, (n, m), finite.

    Returns:
        (row, column) of min(n, m) pairs.
    """
    rows, columns = worth.shape
    if rows > columns:
        return sorted((row, column) for column, row in best_pairs(worth.T))
    row_of = np.full(columns, -1)
    prices = np.zeros(rows), np.zeros(columns)
    for row in range(rows):
        _add(row, -worth, row_of, prices)
    return sorted((int(row), column) for column, row in enumerate(row_of) if row >= 0)


def _add(
    new_row: int,
    cost: NDArray[np.float64],
    row_of: NDArray[np.int64],
    prices: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Give *new_row* a column: change *row_of* along the cheapest path, and *prices* (rows', columns')."""
    row_prices, column_prices = prices
    to_reach = np.full(len(row_of), np.inf)
    came_from = np.full(len(row_of), -1)
    is_open = np.ones(len(row_of), bool)
    row, spent, column = new_row, 0.0, -1
    while row >= 0:
        through_row = spent + cost[row] - row_prices[row] - column_prices
        shorter = is_open & (through_row < to_reach)
        to_reach[shorter], came_from[shorter] = through_row[shorter], row
        column = int(np.where(is_open, to_reach, np.inf).argmin())
        spent, is_open[column] = to_reach[column], False
        row = int(row_of[column])
    seen = ~is_open & (row_of >= 0)
    row_prices[new_row] += spent
    row_prices[row_of[seen]] += spent - to_reach[seen]
    column_prices[~is_open] -= spent - to_reach[~is_open]
    while column >= 0:
        row = int(came_from[column])
        previous = int(np.flatnonzero(row_of == row)[0]) if row != new_row else -1
        row_of[column] = row
        column = previous
