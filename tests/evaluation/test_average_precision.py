"""COCO mask AP."""

import numpy as np
import pytest

from backend.evaluation.average_precision import Scored, average_precision
from backend.evaluation.rle import Rle, encode

FIG, DATE, CELL = ("g", "fig"), ("g", "date"), ("g", "cell")


def bar(left: int, right: int) -> Rle:
    """A row of pixels in an image of 1 x 400."""
    mask = np.zeros((1, 400), dtype=np.bool_)
    mask[0, left:right] = True
    return encode(mask)


def test_all_found_exactly_is_one() -> None:
    result = Scored("a", FIG, [(bar(0, 10), 0.2), (bar(20, 30), 0.1)], [bar(20, 30), bar(0, 10)])

    assert average_precision([result]) == {FIG: pytest.approx(1.0)}


def test_an_iou_of_three_quarters_counts_at_six_of_ten_thresholds() -> None:
    """IoU 0.75 passes 0.50, 0.55, 0.60, 0.65, 0.70 and 0.75."""
    result = Scored("a", FIG, [(bar(0, 75), 0.9)], [bar(0, 100)])

    assert average_precision([result]) == {FIG: pytest.approx(0.6)}


def test_a_false_instance_costs_nothing_when_it_is_the_least_sure() -> None:
    """AP judges the order that the confidence gives."""
    true, false = bar(0, 10), bar(50, 60)

    sure = average_precision([Scored("a", FIG, [(true, 0.9), (false, 0.1)], [true])])
    unsure = average_precision([Scored("a", FIG, [(true, 0.1), (false, 0.9)], [true])])

    assert sure[FIG] == pytest.approx(1.0)
    assert unsure[FIG] == pytest.approx(0.5)


def test_categories_do_not_mix() -> None:
    results = [
        Scored("a", FIG, [(bar(0, 10), 0.9)], [bar(0, 10)]),
        Scored("a", DATE, [], [bar(20, 30)]),
    ]

    assert average_precision(results) == {DATE: 0.0, FIG: pytest.approx(1.0)}


def test_more_than_a_hundred_in_one_image_all_count() -> None:
    """COCO would look at the best 100 only."""
    bars = [bar(3 * i, 3 * i + 2) for i in range(120)]

    assert average_precision([Scored("a", CELL, [(b, 0.5) for b in bars], bars)])[CELL] == pytest.approx(1.0)


def test_nothing_found_anywhere_is_zero() -> None:
    assert average_precision([Scored("a", FIG, [], [bar(0, 10)])]) == {FIG: 0.0}
    assert average_precision([]) == {}
