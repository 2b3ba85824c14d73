"""How well predicted masks match true ones; independent of ``backend.evaluation``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def matched_ious(predicted: Sequence[NDArray[np.bool_]], true: Sequence[NDArray[np.bool_]]) -> list[float]:
    """The IoU of each true mask with the predicted mask that the best matching gives it; 0 without one."""
    ious = np.zeros((len(true), len(predicted)))
    for row, truth in enumerate(true):
        ious[row] = [_iou(truth, mask) for mask in predicted]
    rows, columns = linear_sum_assignment(-ious)
    found = dict(zip(rows.tolist(), ious[rows, columns].tolist(), strict=True))
    return [found.get(row, 0.0) for row in range(len(true))]


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1))
