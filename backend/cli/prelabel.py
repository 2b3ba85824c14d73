"""``oneshot prelabel``: the run of a project from the terminal, to its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from backend.settings import Settings

if TYPE_CHECKING:
    from backend.jobs.progress import ProjectProgress
    from backend.jobs.queue import JobQueue
    from backend.jobs.runs import RunProgress, Runs

POLL_S = 1.0
PROBE_S = 5.0
REDIS_RETRIES = 60  # of a few seconds each: a Redis that restarts is waited for
CHANCES = 1  # a project that is not known may be known to Label Studio: Redis came back empty
LINE_S = 15.0  # between two lines where there is no terminal
OPEN = ("waiting", "listing", "running")
SETTLED = ("done", "empty", "skipped", "failed")
Say = Callable[["RunProgress"], None]


@dataclass(frozen=True)
class End:
    """How a run ended.

    Attributes:
        state: ``finished``, ``cancelled``, ``failed``, or ``no reference``.
        reason: why it could not be done, for a person.
        run: how far it came.
    """

    state: str
    reason: str | None
    run: RunProgress | None

    @property
    def is_well(self) -> bool:
        """Whether every task has its prediction, or a person's annotation."""
        return self.state == "finished" and self.run is not None and not self.run.counts.get("failed")


@click.command()
@click.option(
    "--project", required=True, type=click.IntRange(1, 2**63 - 1), help="Id of the Label Studio project."
)
@click.option("--retry-failed", is_flag=True, help="Try tasks again that failed before.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def prelabel(*, project: int, retry_failed: bool, as_json: bool) -> None:
    """Pre-annotate a project: start its run, or follow the one that goes on, and wait for its end.

    The work is done by `oneshot worker`. Ctrl-C ends the waiting, not the run. Exits 0 if every task has its
    prediction, 1 if some failed or the run was cancelled or could not be done.

    Example: oneshot prelabel --project 2 && echo ready for review
    """
    from backend.jobs.connection import connect
    from backend.jobs.queue import JobQueue

    settings, started = Settings(), time.monotonic()
    with connect(settings.redis_url, timeout_s=PROBE_S) as probe:
        JobQueue(probe).ping()
    with connect(settings.redis_url, timeout_s=PROBE_S, retries=REDIS_RETRIES) as connection:
        queue = JobQueue(connection, **settings.of_jobs)
        end = _run_to_its_end(queue, project, retry_failed=retry_failed, quiet=as_json)
        outcome = _outcome(queue, project, end, time.monotonic() - started)
    if as_json:
        click.echo(json.dumps(outcome))
    else:
        _tell(outcome)
    if not end.is_well:
        raise click.exceptions.Exit(1)


def _run_to_its_end(queue: JobQueue, project_id: int, *, retry_failed: bool, quiet: bool) -> End:
    from backend.jobs.runs import Runs

    runs = Runs(queue)
    if retry_failed:
        runs.retry_failed(project_id)
    begun = runs.run(project_id)
    if begun is None or begun.state not in OPEN:
        runs.start(project_id)
    elif begun.state == "waiting":
        queue.enqueue_sync(project_id)
    try:
        with _shown(queue, project_id, quiet=quiet) as say:
            return _follow(queue, runs, project_id, say)
    except KeyboardInterrupt as exc:
        raise click.ClickException(
            "not waited for any longer; the run goes on, and the same command follows it again"
        ) from exc


def _follow(queue: JobQueue, runs: Runs, project_id: int, say: Say) -> End:
    """Look at the run every second until it ends; begin it again if Redis came back empty."""
    from backend.jobs.progress import Progress

    began, progress, chances = time.monotonic(), Progress(queue.connection), CHANCES
    while True:
        run, project = runs.run(project_id), progress.project(project_id)
        if run is not None and run.state not in OPEN:
            return End(run.state, run.reason, run)
        if (run is None or run.state == "waiting") and (reason := _missing(queue, project, began)):
            return End("no reference", reason, run)
        if run is not None:
            say(run)
            chances = chances if run.state == "waiting" else CHANCES
        elif project.synced_s_ago is None:
            if not chances:
                reason = f"Label Studio knows no project {project_id}, or its token may not see it"
                return End("failed", reason, None)
            runs.start(project_id)
            chances -= 1
        time.sleep(POLL_S)


def _missing(queue: JobQueue, project: ProjectProgress, began: float) -> str | None:
    """Say why there is no reference, once a sync that ended after *began* has looked for it."""
    looked = project.synced_s_ago is not None and project.synced_s_ago < time.monotonic() - began
    return project.reason if looked and not queue.sync_waits(project.project_id) else None


@contextmanager
def _shown(queue: JobQueue, project_id: int, *, quiet: bool) -> Iterator[Say]:
    """Give a function that shows how far the run is: a bar on a terminal, a line now and then otherwise."""
    if sys.stderr.isatty():
        with _bar(queue, project_id) as say:
            yield say
    else:
        yield _lines(queue, project_id, quiet=quiet)


@contextmanager
def _bar(queue: JobQueue, project_id: int) -> Iterator[Say]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(f"project {project_id}", total=None, note="")

        def say(run: RunProgress) -> None:
            note = ", ".join(_notes(queue, run))
            bar.update(shown, total=run.total or None, completed=_settled(run), note=note)

        yield say


def _lines(queue: JobQueue, project_id: int, *, quiet: bool) -> Say:
    """Say a line when something else begins, and every few seconds; to standard error if *quiet*."""
    said: tuple[str, float] = ("", 0.0)

    def say(run: RunProgress) -> None:
        nonlocal said
        if run.state != said[0] or time.monotonic() - said[1] >= LINE_S:
            said = run.state, time.monotonic()
            told = [f"{_settled(run)} of {run.total} tasks"] if run.total else []
            click.echo(f"project {project_id}: {', '.join([*told, *_notes(queue, run)])}", err=quiet)

    return say


def _notes(queue: JobQueue, run: RunProgress) -> list[str]:
    """Say what a person may want to know of a run beside how many tasks are done."""
    from backend.web.formatting import duration, rate

    failed = run.counts.get("failed", 0)
    notes = [
        f"{failed} failed" if failed else "",
        {"waiting": "looking for the reference", "listing": "reading the task list"}.get(
            run.state, "running"
        ),
        rate(run.rate_per_minute) if run.rate_per_minute else "",
        f"about {duration(run.seconds_left)} left" if run.seconds_left else "",
        _hindrance(queue),
    ]
    return [note for note in notes if note]


def _hindrance(queue: JobQueue) -> str:
    from rq import Worker

    from backend.jobs.breaker import Breaker
    from backend.jobs.connection import redis_errors

    if Breaker(queue.connection).outage() is not None:
        return "paused: Label Studio does not answer"
    with redis_errors():
        workers = Worker.count(connection=queue.connection)
    return "" if workers else "no worker is running: start `oneshot worker`"


def _settled(run: RunProgress) -> int:
    return run.before + sum(run.counts.get(state, 0) for state in SETTLED)


def _outcome(queue: JobQueue, project_id: int, end: End, seconds: float) -> dict[str, Any]:
    """Put together what is told at the end, as plain values."""
    from backend.jobs.snapshot import project_snapshot

    found = project_snapshot(queue.connection, project_id) if end.run else None
    return {
        "project": project_id,
        "state": end.state,
        "reason": end.reason,
        "model_version": end.run.model_version if end.run else None,
        "total": end.run.total if end.run else 0,
        "counts": end.run.counts if end.run else {},
        "predicted_before": end.run.before if end.run else 0,
        "failures": found["failures"] if found else [],
        "warnings": found["warnings"] if found else [],
        "seconds": round(seconds, 1),
    }


def _tell(outcome: dict[str, Any]) -> None:
    """Say the outcome: one line, then the warnings and the failures by reason."""
    found = [f"{count} {state}" for state, count in outcome["counts"].items()]
    found += [f"{outcome['predicted_before']} predicted before"] if outcome["predicted_before"] else []
    counts = ", ".join(found) or "nothing to do"
    told = outcome["reason"] or f"{counts} ({outcome['model_version']})"
    click.echo(f"project {outcome['project']}: {outcome['state']}: {told}")
    for warning in outcome["warnings"]:
        click.echo(warning)
    for failure in outcome["failures"]:
        click.echo(
            f"{failure['count']} failed: {failure['reason']} (tasks {', '.join(map(str, failure['tasks']))})"
        )
