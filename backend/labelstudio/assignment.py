"""The best way to pair two lists one to one, where each pair is worth something (the Hungarian method)."""

import numpy as np
from numpy.typing import NDArray


def best_pairs(worth: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The one-to-one pairs with the largest sum of worth, by row.

    Args:
        worth: of each row with each column, (n, m), finite.

    Returns:
        (row, column) of min(n, m) pairs.
    """
    from scipy.optimize import linear_sum_assignment  # large: only where something is to be paired

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
