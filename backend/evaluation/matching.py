"""Which found instance is which true one: Hungarian on IoU, a match counts from 0.5."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.optimize import linear_sum_assignment

from backend.evaluation.rle import Rle, iou_matrix

MATCH_IOU = 0.5


@dataclass(frozen=True)
class Match:
    """The outcome of one matching; numbers are positions in the two sequences.

    Attributes:
        pairs: (found, true, IoU) of every match.
        false: found instances that match nothing.
        missed: true instances that nothing matches.
    """

    pairs: tuple[tuple[int, int, float], ...]
    false: tuple[int, ...]
    missed: tuple[int, ...]


def match_instances(found: Sequence[Rle], true: Sequence[Rle], *, min_iou: float = MATCH_IOU) -> Match:
    """Assign found to true instances for the largest sum of IoU; pairs below *min_iou* are no match."""
    ious = iou_matrix(found, true)
    rows, columns = linear_sum_assignment(-ious)
    pairs = tuple(
        (int(row), int(column), float(ious[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if ious[row, column] >= min_iou
    )
    matched_found, matched_true = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    return Match(
        pairs,
        tuple(number for number in range(len(found)) if number not in matched_found),
        tuple(number for number in range(len(true)) if number not in matched_true),
    )
