"""What the page says of a project, for each thing that can be the matter with it."""

from typing import Any

import pytest

from backend.web.view import project_view

UP = {"down": False}
LEARNING = {"learner": {"job": "sync-2-a", "corrections": 4}}
BUSY = {"workers": [{"name": "one"}], "label_studio": UP}


def project(state: str | None = None, **fields: Any) -> dict[str, Any]:
    """A project as the snapshot has it, with a run in that state."""
    counts = fields.pop("counts", {})
    run = (
        {"state": state, "total": sum(counts.values()) + fields.pop("left", 0), "before": 0}
        if state
        else None
    )
    usual: dict[str, Any] = {
        "id": 2,
        "title": None,
        "error": None,
        "reason": None,
        "tasks": [],
        "warm_up": None,
        "learning": {"learner": None},
    }
    return {**usual, "counts": counts, "run": run, **fields}


@pytest.mark.parametrize(
    ("shown", "snapshot", "headline"),
    [
        (project(), BUSY, "Not started"),
        (project(reason="nothing annotated"), BUSY, "No reference yet"),
        (project("waiting"), BUSY, "Looking for the reference"),
        (project("waiting", reason="nothing annotated"), BUSY, "Waits for a reference"),
        (project("listing"), BUSY, "Running"),
        (project("running"), BUSY, "Running"),
        (project("running"), BUSY | {"workers": []}, "Waiting for a worker"),
        (project("running"), BUSY | {"label_studio": {"down": True}}, "Paused: Label Studio does not answer"),
        (project("finished"), BUSY, "Finished"),
        (project("finished", counts={"failed": 1}), BUSY, "Finished, with failures"),
        (project("cancelled"), BUSY, "Cancelled"),
        (project("failed"), BUSY, "Could not start"),
        (project("finished", learning=LEARNING), BUSY, "Learning from review"),
        (project("waiting", learning=LEARNING), BUSY, "Learning from review"),
        (project("running", learning=LEARNING), BUSY, "Running"),
        (project("running", error="refused"), BUSY, "The last look into it failed"),
    ],
)
def test_the_headline_says_what_the_project_is_up_to(
    shown: dict[str, Any], snapshot: dict[str, Any], headline: str
) -> None:
    assert project_view(shown, snapshot).headline == headline


def test_the_bar_has_a_part_for_each_state() -> None:
    counts = {"done": 50, "empty": 25, "failed": 24, "queued": 1}

    view = project_view(project("running", counts=counts, left=100), BUSY)

    assert list(view.segments) == [("done", 0, 25), ("empty", 25, 12.5), ("failed", 37.5, 12)]
    assert [view.settled, view.total, view.percent] == [99, 200, 49]


def test_what_was_predicted_before_belongs_to_what_is_done() -> None:
    shown = project("running", counts={"done": 20, "queued": 20})
    shown["run"] |= {"total": 100, "before": 60}

    view = project_view(shown, BUSY)

    assert list(view.segments) == [("done", 0, 80)]
    assert [view.settled, view.total, view.percent] == [80, 100, 80]


@pytest.mark.parametrize(("queued", "percent"), [(1, 99), (0, 100)])
def test_a_hundred_percent_is_all(queued: int, percent: int) -> None:
    counts = {"done": 9999, "queued": queued}

    assert project_view(project("running", counts=counts), BUSY).percent == percent


@pytest.mark.parametrize(
    ("state", "run_button", "can_cancel", "can_warm_up"),
    [
        (None, "Run", False, True),
        ("waiting", None, True, True),
        ("running", None, True, False),
        ("finished", "Run again", False, False),
        ("cancelled", "Resume", False, True),
        ("failed", "Try again", False, True),
    ],
)
def test_the_buttons_are_those_that_help(
    state: str | None, run_button: str | None, can_cancel: bool, can_warm_up: bool
) -> None:
    view = project_view(project(state), BUSY)

    assert (view.run_button, view.is_open, view.can_warm_up) == (run_button, can_cancel, can_warm_up)


def test_a_warm_up_that_goes_on_is_not_started_again() -> None:
    assert not project_view(project(warm_up={"state": "running"}), BUSY).can_warm_up
    assert project_view(project(warm_up={"state": "finished"}), BUSY).can_warm_up


def test_a_warm_up_can_be_cancelled_where_there_is_no_run_yet() -> None:
    """It is the usual case: warm-ups come before the first mask."""
    assert project_view(project(warm_up={"state": "running"}), BUSY).can_cancel
    assert not project_view(project(warm_up={"state": "finished"}), BUSY).can_cancel
    assert project_view(project("running"), BUSY).can_cancel
