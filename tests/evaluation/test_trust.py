"""Confidences and scores against what is true; the numbers can be checked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evaluation.metrics import Tally
from backend.evaluation.trust import calibration_error, least_sure_first, work_left

SHARES = st.floats(0, 1)


def test_confidences_that_come_true_as_often_as_they_say_have_no_error() -> None:
    """Of four at 0.75, three are right."""
    assert calibration_error([(0.75, True)] * 3 + [(0.75, False)]) == 0


def test_bins_are_weighed_by_what_is_in_them() -> None:
    """Three at 0.9, all right: 0.1 apart. One at 0.5, wrong: 0.5 apart."""
    judged = [(0.9, True)] * 3 + [(0.5, False)]

    assert calibration_error(judged) == pytest.approx((3 * 0.1 + 0.5) / 4)


def test_certainty_has_a_bin() -> None:
    assert calibration_error([(1.0, True), (0.0, False)]) == 0


def test_without_instances_there_is_no_error() -> None:
    assert calibration_error([]) is None


def test_the_image_with_more_left_should_have_the_lower_score() -> None:
    """Three pairs: 0.2 before 0.9 rightly, 0.5 before 0.9 rightly, 0.2 before 0.5 wrongly."""
    assert least_sure_first([(0.9, 0.0), (0.2, 0.3), (0.5, 0.6)]) == pytest.approx(2 / 3)


def test_equal_scores_are_chance_and_equal_work_is_no_pair() -> None:
    assert least_sure_first([(0.5, 0.0), (0.5, 1.0)]) == 0.5
    assert least_sure_first([(0.1, 0.4), (0.9, 0.4)]) is None


@given(st.lists(st.tuples(SHARES, SHARES), max_size=8))
def test_turned_scores_turn_the_order(images: list[tuple[float, float]]) -> None:
    found = least_sure_first(images)
    turned = least_sure_first([(-score, left) for score, left in images])

    assert found is turned is None or found + turned == pytest.approx(1)  # type: ignore[operator]


def test_work_left_counts_missed_false_and_loose_ones() -> None:
    """Of 4 true ones 3 are found, 1 of them loosely; 1 is false; and 1 where there is none: 4 of 6."""
    assert work_left(Tally(true=4, matched=3, false=1, loose=1, absent_false=1)) == 4 / 6
    assert work_left(Tally()) == 0
