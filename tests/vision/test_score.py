"""The least sure predictions have the lowest scores."""

import math

from hypothesis import given
from hypothesis import strategies as st

from backend.vision.score import prediction_score

CONFIDENCES = st.lists(st.floats(0, 1), max_size=20)
MISSED = st.floats(0, 50)


def test_where_nothing_is_missed_it_is_the_mean_confidence() -> None:
    assert prediction_score([0.5, 1.0], 0) == 0.75


def test_what_is_missed_counts_as_much_as_what_is_shown() -> None:
    """Two right ones and two missed ones: half of the work is done."""
    assert prediction_score([1.0, 1.0], 2) == 0.5


def test_an_image_without_anything_is_sure_if_nothing_came_near() -> None:
    """Such images need a look last; one where something was nearly found comes before."""
    assert prediction_score([], 0) == 1
    assert prediction_score([], 0.7) == math.exp(-0.7)


@given(CONFIDENCES, MISSED)
def test_it_is_a_score_for_label_studio(confidences: list[float], missed: float) -> None:
    assert 0 <= prediction_score(confidences, missed) <= 1


@given(CONFIDENCES, MISSED, MISSED)
def test_the_more_may_be_missed_the_less_sure(confidences: list[float], less: float, more: float) -> None:
    less, more = sorted((less, more))

    assert prediction_score(confidences, more) <= prediction_score(confidences, less)
