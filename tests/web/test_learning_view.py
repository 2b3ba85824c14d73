"""What the page says of learning."""

from typing import Any

import pytest

from backend.web.formatting import NOTHING
from backend.web.learning_view import MOST_COLUMNS, LearningView, Teacher, learning_view

NOW_S = 10_000.0


def figures(reviewed: int = 2, effort: float | None = 0.5) -> dict[str, Any]:
    """As of one label, or of all."""
    counts = dict.fromkeys(("kept", "redrawn", "loose", "deleted", "added", "annotated"), 1)
    return {"reviewed": reviewed, **counts, "mean_iou": 0.9, "effort": effort}


def agreement(version: str, overall: dict[str, Any] | None = None, *labels: str) -> dict[str, Any]:
    """As of one generation."""
    names = labels or ("Coin",)
    return {
        "model_version": version,
        "overall": overall or figures(),
        "labels": {name: figures() for name in names},
    }


def generation(
    version: str,
    *evidence: int,
    reviewed: int = 0,
    seen: int | None = None,
    in_vain: int = 0,
    current: bool = False,
    pinned: bool = False,
    lost: bool = False,
) -> dict[str, Any]:
    """As it is kept."""
    about = {"version": version, "made_at": NOW_S - 60, "references": [7], "evidence": list(evidence)}
    about |= {"reviewed": reviewed, "seen": max(len(evidence), in_vain) if seen is None else seen}
    return {**about, "in_vain": in_vain, "current": current, "pinned": pinned, "lost": lost}


def view(
    *,
    generations: list[dict[str, Any]] | None = None,
    reviews: list[dict[str, Any]] | None = None,
    excluded: tuple[int, ...] = (),
    uncounted: int = 0,
    learner: dict[str, Any] | None = None,
    learns: bool = True,
) -> LearningView:
    """The view of what is known."""
    learning = {
        "generations": generations or [],
        "agreement": reviews or [],
        "learner": learner,
        "uncounted": uncounted,
        "excluded": list(excluded),
        "tasks": {"21": 5},
        "problems": [],
    }
    return learning_view(learning, now_s=NOW_S, learns=learns)


def learned_from(found: LearningView) -> list[str]:
    """The corrections that each generation in the chart learned from."""
    assert found.chart is not None
    return [bar.text for bar in found.chart.bands[-1].bars]


def test_the_chart_goes_from_the_oldest_generation_to_the_newest() -> None:
    """One that nobody knows any more has learned from nobody knows how many."""
    found = view(
        generations=[generation("oneshot-tiny-c", 21, current=True), generation("oneshot-tiny-b")],
        reviews=[agreement(f"oneshot-tiny-{name}") for name in "abc"],
    )

    assert learned_from(found) == [NOTHING, "0", "1"]
    assert found.chart is not None
    assert [bar.current for bar in found.chart.bands[0].bars] == [False, False, True]


def test_a_generation_in_whose_tasks_nothing_is_has_no_bar() -> None:
    assert view(reviews=[agreement("a", figures(effort=None))]).chart is None


def test_the_last_generations_are_charted_and_the_current_one() -> None:
    """It was made first, and is current again."""
    reviews = [agreement(f"v-{number}") for number in range(20)]
    newest = [generation(f"v-{number}", *range(number)) for number in range(20)]
    again = [{**each, "current": each["version"] == "v-3"} for each in newest]

    last = [str(number) for number in range(20 - MOST_COLUMNS, 20)]
    assert learned_from(view(generations=newest, reviews=reviews)) == last
    assert learned_from(view(generations=again, reviews=reviews)) == ["3", *last[1:]]


def test_generations_come_the_newest_first_and_those_that_are_not_kept_any_more_last() -> None:
    rows = view(
        generations=[generation("v-3", 21, 22, current=True), generation("v-2")],
        reviews=[agreement("v-0"), agreement("v-1"), agreement("v-2")],
    ).rows

    assert [(row.name, row.made_s_ago, row.evidence) for row in rows] == [
        ("3", 60, 2),
        ("2", 60, 0),
        ("1", None, None),
        ("0", None, None),
    ]
    assert [row.can_be_current for row in rows] == [False, True, False, False]
    assert [row.overall is None for row in rows] == [True, False, False, False]


def test_the_current_generation_comes_first_however_old_it_is() -> None:
    """It was made first of twenty, and is current again: of these the page lists only some."""
    newer = [generation(f"v-{number}") for number in range(20, 1, -1)]

    rows = view(generations=[*newer, generation("v-1", current=True)]).rows

    assert [row.name for row in rows[:3]] == ["1", "20", "19"]


def test_a_generation_that_could_not_be_made_again_is_told() -> None:
    """It may be tried again: perhaps a setting has been put back."""
    newest, lost = view(generations=[generation("v2", current=True), generation("v1", lost=True)]).rows

    assert (newest.lost, lost.lost, lost.can_be_current) == (False, True, True)


def test_the_figures_of_each_label_are_told_also_of_the_only_one() -> None:
    """Each of several has a chart of its own; that of the only one is that of all."""
    one = view(reviews=[agreement("v-1")])
    two = view(reviews=[agreement("v-1", None, "Coin", "Nut"), agreement("v-2")])

    assert [list(row.labels) for row in (*one.rows, *two.rows)] == [["Coin"], ["Coin"], ["Coin", "Nut"]]
    assert one.chart is not None
    assert two.chart is not None
    assert (one.chart.title, one.label_charts) == ("Coin", ())
    assert (two.chart.title, [each.title for each in two.label_charts]) == ("All labels", ["Coin", "Nut"])
    assert one.rows[0].kept_share == 1 / 3


@pytest.mark.parametrize(
    ("evidence", "reviewed", "learns", "can_learn"),
    [((), 0, True, False), ((), 1, True, True), ((21,), 1, True, False), ((21,), 2, False, False)],
)
def test_learning_is_offered_where_it_helps(
    evidence: tuple[int, ...], reviewed: int, learns: bool, can_learn: bool
) -> None:
    found = view(
        generations=[generation("v", *evidence, reviewed=reviewed, current=True)],
        reviews=[agreement("v", figures(reviewed))],
        learns=learns,
    )

    assert (tuple(each.annotation for each in found.teachers), found.can_learn) == (evidence, can_learn)


def test_the_tasks_of_what_teaches_and_of_what_must_not_are_told_as_far_as_they_are_known() -> None:
    found = view(generations=[generation("v", 21, 24, current=True)], excluded=(21, 30))

    assert found.teachers == (Teacher(21, 5), Teacher(24, None))
    assert found.excluded == (Teacher(21, 5), Teacher(30, None))
    assert found.excluded_ids == {21, 30}


@pytest.mark.parametrize(("reviewed", "can_learn"), [(6, False), (7, True)])
def test_what_was_looked_at_in_vain_is_told_and_not_offered_again(reviewed: int, can_learn: bool) -> None:
    """Six corrections, of which nothing saved work; then there is a seventh."""
    found = view(
        generations=[generation("v", reviewed=reviewed, in_vain=6, current=True)],
        reviews=[agreement("v", figures(reviewed))],
    )

    assert (found.rows[0].in_vain, found.can_learn) == (6, can_learn)


@pytest.mark.parametrize(
    ("counted", "current"),
    [
        (7, generation("v", *range(6), reviewed=6, current=True)),
        (40, generation("v", *range(32), reviewed=40, seen=40, current=True)),
        (3, generation("v", 1, 2, 3, reviewed=8, current=True)),
    ],
    ids=["one is excluded", "eight are beyond the bound", "five are no reviews"],
)
def test_what_can_teach_nothing_more_is_not_offered(counted: int, current: dict[str, Any]) -> None:
    """The button would stay for ever, and do nothing; with one more review it comes."""
    reviews = [agreement("v", figures(counted))]

    assert not view(generations=[current], reviews=reviews).can_learn
    assert view(generations=[current], reviews=reviews, uncounted=1).can_learn


def test_while_a_worker_learns_that_is_told_and_not_offered() -> None:
    """Also where nothing else is to be seen yet."""
    generations = [generation("v", reviewed=1, current=True)]

    before = view(generations=generations, uncounted=1)
    found = view(generations=generations, uncounted=1, learner={"job": "sync-2-a", "corrections": 1})

    assert (before.can_learn, before.is_shown) == (True, True)
    assert (found.can_learn, found.is_shown) == (False, True)
    assert (found.learns_from, found.learner) == (1, "sync-2-a")


def test_a_project_without_a_generation_has_nothing_to_learn_with() -> None:
    assert not view(reviews=[agreement("v")]).can_learn


def test_nothing_is_shown_while_there_are_only_the_first_masks() -> None:
    first = [generation("v", current=True)]

    assert not view(generations=first).is_shown
    assert not view().is_shown
    assert view(generations=first, reviews=[agreement("v")]).is_shown
    assert view(generations=first, excluded=(7,)).is_shown
    assert view(generations=[*first, generation("w")]).is_shown
