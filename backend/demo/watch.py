"""Follow the web process's ``/status`` until every task has its prediction."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from backend.demo.errors import DemoOutcomeError

POLL_S = 0.5
SILENCE_S = 300.0  # one image takes seconds; the first also waits for the models
FINISHED = frozenset({"done", "empty", "failed", "skipped"})


@dataclass(frozen=True)
class TaskOutcome:
    """How far the worker is with one task, from ``/status``."""

    task_id: int
    state: str
    instances: int | None = None
    confidence: float | None = None
    seconds: float | None = None
    reason: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the worker will not come back to it."""
        return self.state in FINISHED


@dataclass(frozen=True)
class ProjectStatus:
    """What ``/status`` says of one project."""

    model_version: str | None
    reason: str | None
    error: str | None
    reference_tasks: frozenset[int]
    tasks: dict[int, TaskOutcome]


class ShowOutcome(Protocol):
    """Shows one more finished task."""

    def __call__(self, outcome: TaskOutcome) -> None:
        """Show it."""


def project_status(web_url: str, project_id: int) -> ProjectStatus:
    """Read ``/status`` once; a project it does not know yet has no tasks."""
    try:
        response = requests.get(f"{web_url}/status", headers={"Accept": "application/json"}, timeout=10)
        response.raise_for_status()
        projects = response.json()["projects"]
    except requests.RequestException:
        projects = []  # busy for a moment; whether the process has ended is checked elsewhere
    found: dict[str, Any] = next((one for one in projects if one["id"] == project_id), {})
    return ProjectStatus(
        model_version=found.get("model_version"),
        reason=found.get("reason"),
        error=found.get("error"),
        reference_tasks=frozenset(reference["task"] for reference in found.get("references", [])),
        tasks={task["id"]: _outcome(task) for task in found.get("tasks", [])},
    )


def wait_for_reference(
    status: Callable[[], ProjectStatus], *, still_running: Callable[[], None]
) -> ProjectStatus:
    """Wait until an annotation has become the reference, however long the person takes.

    Raises:
        DemoProcessError: raised by *still_running*.
    """
    while not (now := status()).reference_tasks:
        still_running()
        time.sleep(POLL_S)
    return now


def wait_for_predictions(
    status: Callable[[], ProjectStatus],
    task_ids: Collection[int],
    *,
    show: ShowOutcome,
    still_running: Callable[[], None],
    silence_s: float = SILENCE_S,
) -> dict[int, TaskOutcome]:
    """Wait until every one of *task_ids* is finished, showing each as it is.

    Raises:
        DemoOutcomeError: nothing happened for *silence_s* seconds, or the worker reports why it cannot go on.
        DemoProcessError: raised by *still_running*.
    """
    finished: dict[int, TaskOutcome] = {}
    heard_at = time.monotonic()
    while len(finished) < len(task_ids):
        now = status()
        for task_id in sorted(set(task_ids) - set(finished)):
            outcome = now.tasks.get(task_id)
            if outcome is not None and outcome.finished:
                finished[task_id] = outcome
                show(outcome)
                heard_at = time.monotonic()
        still_running()
        if time.monotonic() - heard_at > silence_s:
            raise DemoOutcomeError(_silence(now, len(finished), len(task_ids), silence_s))
        time.sleep(POLL_S)
    return finished


@contextmanager
def outcome_display(console: Console, total: int, names: Mapping[int, str]) -> Iterator[ShowOutcome]:
    """A progress bar on a terminal, a plain line per task elsewhere."""
    if not console.is_terminal:
        yield lambda outcome: console.print(
            f"{names[outcome.task_id]}: {outcome_text(outcome)}", highlight=False
        )
        return
    with _progress_bar(console) as progress:
        bar = progress.add_task("Predictions", total=total, latest="waiting for the models")

        def advance(outcome: TaskOutcome) -> None:
            progress.update(bar, advance=1, latest=f"{names[outcome.task_id]}: {outcome_text(outcome)}")

        yield advance


def outcome_text(outcome: TaskOutcome) -> str:
    """One finished task in a few words."""
    if outcome.state in {"failed", "skipped"}:
        return f"{outcome.state}: {outcome.reason or 'no reason given'}"
    count = outcome.instances or 0
    return "nothing found" if count == 0 else f"{count} instance{'s' if count > 1 else ''}"


def _progress_bar(console: Console) -> AbstractContextManager[Progress]:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[latest]}"),
        console=console,
    )


def _outcome(task: dict[str, Any]) -> TaskOutcome:
    return TaskOutcome(
        task_id=task["id"],
        state=task["state"],
        instances=task.get("instances"),
        confidence=task.get("confidence"),
        seconds=task.get("seconds"),
        reason=task.get("reason"),
    )


def _silence(status: ProjectStatus, finished: int, total: int, silence_s: float) -> str:
    states = sorted({outcome.state for outcome in status.tasks.values() if not outcome.finished})
    why = status.error or status.reason or f"states: {', '.join(states) or 'nothing queued'}"
    return f"{finished} of {total} tasks have a prediction, and nothing happened for {silence_s:g} s ({why})"
