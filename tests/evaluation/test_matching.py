"""Which found instance is which true one."""

import numpy as np
import pytest

from backend.evaluation.matching import match_instances
from backend.evaluation.rle import Rle, encode


def bar(left: int, right: int) -> Rle:
    """A row of pixels from *left* up to *right* in an image of 1 x 30."""
    mask = np.zeros((1, 30), dtype=np.bool_)
    mask[0, left:right] = True
    return encode(mask)


def test_the_largest_sum_of_iou_wins_not_the_first_come() -> None:
    """Found 0 overlaps true 0 by 8/10 and true 1 by 6/10; found 1 only true 0."""
    match = match_instances([bar(2, 10), bar(0, 8)], [bar(0, 10), bar(4, 10)])

    assert [(found, true) for found, true, _ in match.pairs] == [(0, 1), (1, 0)]
    assert [iou for *_, iou in match.pairs] == pytest.approx([6 / 8, 8 / 10])


def test_a_match_counts_from_half() -> None:
    assert match_instances([bar(0, 5)], [bar(0, 10)]).missed == ()
    assert match_instances([bar(0, 4)], [bar(0, 10)]).missed == (0,)


def test_what_is_left_over_is_false_or_missed() -> None:
    match = match_instances([bar(0, 5), bar(20, 25)], [bar(0, 5), bar(10, 15)])

    assert (match.false, match.missed) == ((1,), (1,))


@pytest.mark.parametrize(("found", "true"), [(0, 2), (2, 0), (0, 0)])
def test_nothing_matches_nothing(found: int, true: int) -> None:
    match = match_instances([bar(0, 5)] * found, [bar(0, 5)] * true)

    assert (len(match.pairs), len(match.false), len(match.missed)) == (0, found, true)
