"""What the page says of learning."""

from typing import Any

import pytest

from backend.web.learning_view import MOST_BARS, LearningView, learning_view

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
        "problems": [],
    }
    return learning_view(learning, now_s=NOW_S, learns=learns)


def test_the_bars_are_the_efforts_from_the_oldest_generation_to_the_newest() -> None:
    """The highest one fills the chart; those who see no bars hear the same."""
    found = view(
        generations=[generation("oneshot-tiny-b", 21, current=True), generation("oneshot-tiny-a")],
        reviews=[
            agreement("oneshot-tiny-a", figures(6, 1.2)),
            agreement("oneshot-tiny-b", figures(1, 0.3)),
        ],
    )

    old, new = found.bars
    assert (old.text, old.tick, old.current, old.top, old.height) == ("120 %", "0", False, 0, found.height)
    assert (new.text, new.tick, new.current, new.height) == ("30 %", "1", True, found.height / 4)
    assert old.left + old.width < new.left
    assert new.left + new.width < found.width
    assert found.summary == (
        "a: learned from 0 corrections, 120 % of the work left in 6 reviews; "
        "b: learned from 1 correction, 30 % of the work left in 1 review"
    )


def test_little_effort_does_not_look_like_much() -> None:
    found = view(reviews=[agreement("a", figures(effort=0.05)), agreement("b", figures(effort=0.0))])

    assert [bar.height for bar in found.bars] == [pytest.approx(found.height / 5, abs=0.1), 1]


def test_a_generation_in_whose_tasks_nothing_is_has_no_bar() -> None:
    assert view(reviews=[agreement("a", figures(effort=None))]).bars == ()


def test_the_last_bars_are_shown() -> None:
    reviews = [agreement(f"v-{number}", figures(effort=number / 100)) for number in range(20)]

    bars = view(reviews=reviews).bars

    assert len(bars) == MOST_BARS
    assert bars[-1].text == "19 %"


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


def test_labels_are_told_apart_where_there_are_several() -> None:
    rows = view(reviews=[agreement("v-1", None, "Coin", "Nut"), agreement("v-2")]).rows

    assert [list(row.labels) for row in rows] == [[], ["Coin", "Nut"]]


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

    assert (found.evidence, found.can_learn) == (evidence, can_learn)


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
