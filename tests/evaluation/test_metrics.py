"""Scores from counts, checked by hand."""

import pytest

from backend.evaluation.matching import Match
from backend.evaluation.metrics import Tally, scores, tally, total


def test_counts_of_one_image() -> None:
    """Two of three found, one of them loosely; one false."""
    match = Match(pairs=((0, 0, 0.9), (1, 2, 0.6)), false=(2,), missed=(1,))

    assert tally(match, 3) == Tally(true=3, matched=2, false=1, loose=1, iou_sum=1.5, images=1)


def test_what_is_found_where_nothing_is_counts_apart() -> None:
    assert tally(Match((), (0, 1), ()), 0) == Tally(absent_images=1, absent_false=2)


def test_scores_follow_from_the_sum_of_counts() -> None:
    counts = total(
        [Tally(true=3, matched=2, false=1, loose=1, iou_sum=1.5), Tally(true=1, matched=1, iou_sum=1)]
    )

    result = scores(counts)

    assert (result.precision, result.recall, result.f1) == (3 / 4, 3 / 4, 3 / 4)
    assert result.pq == 2.5 / 4  # 3 matched + half of 1 false and 1 missed
    assert result.mean_iou == pytest.approx(2.5 / 3)
    assert result.effort == 3 / 4  # one missed, one false, one loose of four


def test_effort_has_no_upper_bound() -> None:
    assert scores(Tally(true=1, matched=1, false=4, iou_sum=1)).effort == 4


def test_nothing_found_is_zero_not_an_error() -> None:
    result = scores(Tally(true=2))

    assert (result.precision, result.f1, result.pq, result.mean_iou, result.effort) == (0, 0, 0, 0, 1)


def test_the_mean_of_the_single_best_masks_is_over_the_images() -> None:
    """Nothing is found on the second image."""
    one, none = Match(pairs=((0, 0, 0.9),), false=(), missed=()), Match(pairs=(), false=(), missed=(0,))

    result = scores(tally(one, 1, best_iou=0.9) + tally(none, 1))

    assert (result.best_iou, result.mean_iou) == (0.45, 0.9)
