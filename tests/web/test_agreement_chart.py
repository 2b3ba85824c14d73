"""What the small charts show, and say."""

from typing import Any

import pytest

from backend.web.agreement_chart import Chart, Column, charts, kept_share
from backend.web.formatting import NOTHING


def figures(
    kept: int = 0, redrawn: int = 0, deleted: int = 0, effort: float | None = None, iou: float | None = None
) -> dict[str, Any]:
    """As of one label, or of all."""
    counts = {"reviewed": 2, "kept": kept, "redrawn": redrawn, "loose": 0, "deleted": deleted, "added": 0}
    return {**counts, "annotated": kept + redrawn, "mean_iou": iou, "effort": effort}


OLD = Column("a", 0, current=False, overall=figures(1, 2, 1, 1.2, 0.75), labels={})
NEW = Column("b", 1, current=True, overall=figures(3, 1, 0, 0.3, 0.905), labels={})


def drawn(*columns: Column) -> tuple[Chart, tuple[Chart, ...]]:
    """The charts that there must be."""
    found = charts(columns)
    assert found is not None
    return found


def test_a_chart_shows_what_was_kept_what_was_left_the_iou_and_what_taught() -> None:
    """The current generation is told apart."""
    chart, _ = drawn(OLD, NEW)

    texts = {band.title: [bar.text for bar in band.bars] for band in chart.bands}
    assert texts == {
        "Kept": ["25 %", "75 %"],
        "Work left": ["120 %", "30 %"],
        "Mean IoU": ["0.75", "0.91"],
        "Corrections learned from": ["0", "1"],
    }
    assert [[bar.current for bar in band.bars] for band in chart.bands] == [[False, True]] * 4
    assert [band.has_bars for band in chart.bands] == [True, True, False, False]


def test_kept_bars_are_shares_of_all_and_the_highest_effort_fills_its_band() -> None:
    chart, _ = drawn(OLD, NEW)
    kept, left, *_ = [[bar.height for bar in band.bars] for band in chart.bands]

    assert kept[1] == pytest.approx(3 * kept[0], abs=0.2)
    assert left[0] == pytest.approx(4 * left[1], abs=0.2)
    assert left[0] == pytest.approx(4 * kept[0], abs=0.2)


def test_bars_stand_on_their_floor_beside_each_other_and_within_the_chart() -> None:
    chart, _ = drawn(OLD, NEW, NEW, NEW)

    for band in chart.bands:
        assert all(bar.top + bar.height == pytest.approx(band.bottom) for bar in band.bars)
        edges = [edge for bar in band.bars for edge in (bar.left, bar.left + bar.width)]
        assert edges == sorted(edges)
        assert edges[-1] < chart.width
    assert chart.bands[-1].bottom < chart.height


def test_little_effort_does_not_look_like_much() -> None:
    little = Column("a", 0, current=False, overall=figures(9, effort=0.05), labels={})
    none = Column("b", 0, current=False, overall=figures(9, effort=0.0), labels={})

    chart, _ = drawn(little, none)

    kept, left, *_ = chart.bands
    assert [bar.height for bar in left.bars] == [pytest.approx(kept.bars[0].height / 5, abs=0.1), 1]


def test_bars_of_labels_can_be_compared_and_the_label_with_the_most_comes_first() -> None:
    """A label that a generation has nothing of leaves a gap there."""
    coin, nut = figures(2, effort=0.5, iou=0.9), figures(8, effort=1.0, iou=0.9)
    first = Column("a", 0, current=False, overall=nut, labels={"Coin": coin, "Nut": nut})
    second = Column("b", 1, current=True, overall=nut, labels={"Nut": nut})

    _, (of_nut, of_coin) = drawn(first, second)

    assert (of_nut.title, of_coin.title) == ("Nut", "Coin")
    full, half = of_nut.bands[1].bars[0].height, of_coin.bands[1].bars[0].height
    assert full == 2 * half
    missing = [band.bars[1] for band in of_coin.bands]
    assert [(bar.text, bar.height) for bar in missing] == [*[(NOTHING, 0)] * 3, ("1", 0)]
    assert of_coin.summary == (
        "a: learned from 0 corrections, 100 % kept, 50 % of the work left, mean IoU 0.90 in 2 reviews"
    )


def test_those_who_see_no_chart_hear_the_same() -> None:
    """Of the first one nobody knows any more what taught it."""
    forgotten = Column("0", None, current=False, overall=figures(deleted=1), labels={})

    chart, _ = drawn(forgotten, OLD)

    assert chart.summary == (
        f"0: 0 % kept, {NOTHING} of the work left, mean IoU {NOTHING} in 2 reviews; "
        "a: learned from 0 corrections, 25 % kept, 120 % of the work left, mean IoU 0.75 in 2 reviews"
    )


def test_without_reviews_there_is_no_chart_and_of_no_prediction_nothing_is_kept() -> None:
    assert charts([]) is None
    assert kept_share(figures()) is None
