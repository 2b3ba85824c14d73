"""The snapshot as the status page shows it: what a project is up to, in words, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SETTLED = ("done", "empty", "skipped", "failed")
STATES = (*SETTLED, "processing", "queued")
_OPEN = frozenset({"waiting", "listing", "running"})
_SHOWN_TASKS = 20

Mood = Literal["good", "busy", "idle", "warning", "bad"]


@dataclass(frozen=True)
class ProjectView:
    """What the page shows of a project beside its snapshot.

    Attributes:
        name: what people call it.
        mood: of its headline, for the colour.
        headline: what it is up to.
        is_open: whether there is a run that has not ended.
        can_cancel: whether there is a run or a warm-up to be cancelled.
        goes_on: whether it goes on at this moment, so that its rate says something.
        can_warm_up: whether it helps to embed the images now.
        run_button: what the button that starts a run says; None while one goes on.
        total: tasks of the run.
        settled: tasks that are done with.
        segments: of the bar: state, begin and length in percent.
        tasks: the last tasks.
    """

    name: str
    mood: Mood
    headline: str
    is_open: bool
    can_cancel: bool
    goes_on: bool
    can_warm_up: bool
    run_button: str | None
    total: int
    settled: int
    segments: tuple[tuple[str, float, float], ...]
    tasks: list[dict[str, Any]]

    @property
    def percent(self) -> int:
        """Of the tasks, how many are done with; 100 only when all are."""
        return 100 * self.settled // self.total if self.total else 0


def project_view(project: Mapping[str, Any], snapshot: Mapping[str, Any]) -> ProjectView:
    """Put together what the page shows of a project.

    Args:
        project: one of the snapshot.
        snapshot: all of it, see ``backend.jobs.snapshot``.
    """
    run, before = project["run"], project["run"]["before"] if project["run"] else 0
    counts = project["counts"] | {"done": project["counts"].get("done", 0) + before}
    total = run["total"] if run else sum(counts.values())
    mood, headline = _headline(project, snapshot)
    is_open = bool(run) and run["state"] in _OPEN
    by_time = sorted(project["tasks"], key=lambda task: -(task["at"] or 0))
    return ProjectView(
        name=project["title"] or f"Project {project['id']}",
        mood=mood,
        headline=headline,
        is_open=is_open,
        can_cancel=is_open or _warms_up(project),
        goes_on=is_open and mood == "busy",
        can_warm_up=_can_warm_up(project),
        run_button=None if is_open else _run_button(run),
        total=total,
        settled=sum(counts.get(state, 0) for state in SETTLED),
        segments=_segments(counts, total),
        tasks=by_time[:_SHOWN_TASKS],
    )


def _headline(project: Mapping[str, Any], snapshot: Mapping[str, Any]) -> tuple[Mood, str]:
    run, failed = project["run"], project["counts"].get("failed", 0)
    state = run["state"] if run else None
    if project["error"]:
        return "bad", "The last look into it failed"
    if project["learning"]["learner"] and state not in ("listing", "running"):
        return "busy", "Learning from review"
    if state == "waiting" and project["reason"]:
        return "idle", "Waits for a reference"
    if state in _OPEN:
        return _open_headline(state, snapshot)
    if project["reason"]:
        return "idle", "No reference yet"
    if state == "finished":
        return ("warning", "Finished, with failures") if failed else ("good", "Finished")
    if state == "failed":
        return "bad", "Could not start"
    return "idle", "Cancelled" if state == "cancelled" else "Not started"


def _open_headline(state: str, snapshot: Mapping[str, Any]) -> tuple[Mood, str]:
    if snapshot["label_studio"]["down"]:
        return "warning", "Paused: Label Studio does not answer"
    if not snapshot["workers"]:
        return "warning", "Waiting for a worker"
    return "busy", "Looking for the reference" if state == "waiting" else "Running"


def _run_button(run: Mapping[str, Any] | None) -> str:
    state = run["state"] if run else None
    return {"cancelled": "Resume", "finished": "Run again", "failed": "Try again"}.get(str(state), "Run")


def _can_warm_up(project: Mapping[str, Any]) -> bool:
    """Whether a warm-up is of use: none goes on, and no run embeds or has embedded the images."""
    run = project["run"]
    embedded = run and run["state"] in ("listing", "running", "finished")
    return not embedded and not _warms_up(project)


def _warms_up(project: Mapping[str, Any]) -> bool:
    return bool(project["warm_up"]) and project["warm_up"]["state"] == "running"


def _segments(counts: Mapping[str, int], total: int) -> tuple[tuple[str, float, float], ...]:
    """Give the parts of the bar from the left: state, begin and length in percent."""
    segments, begin = [], 0.0
    for state in STATES[:-1]:
        length = 100 * counts.get(state, 0) / total if total else 0
        if length:
            segments.append((state, round(begin, 3), round(length, 3)))
        begin += length
    return tuple(segments)
