"""A run: the pre-annotation of a project with one generation, to be followed, ended and started again."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from redis import Redis

from backend.jobs import scripts
from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.queue import JobQueue
from backend.jobs.warm_ups import WarmUps

RunState = Literal["waiting", "listing", "running", "finished", "cancelled", "failed"]
_OPEN = ("queued", "processing")
_DROPPED_AT_ONCE = 2000
_RATED_TASKS = 50
_RATED_S = 600  # what was finished longer ago says nothing of the rate now
_FAILED_AT_ONCE = 500


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        state: ``waiting`` for a sync to find the reference; ``listing``: the task list is being read;
            ``running``; ``finished``; ``cancelled`` by a person; ``failed``: it could not start.
        model_version: its generation; None before there is one.
        total: tasks of the run, as far as they are counted yet.
        counts: tasks by state.
        left: tasks that the task list still holds.
        before: tasks that had their prediction before the run: it began again after Redis came back empty, or
            the generation is one that was current before.
        asked_s_ago: seconds since a person asked for it, if one did.
        started_s_ago: seconds since it began.
        ended_s_ago: seconds since it ended.
        rate_per_minute: finished tasks; None while too few were.
        seconds_left: at that rate.
        reason: why it failed.
    """

    state: RunState
    model_version: str | None
    total: int
    counts: dict[str, int]
    left: int
    before: int
    asked_s_ago: float | None
    started_s_ago: float | None
    ended_s_ago: float | None
    rate_per_minute: float | None
    seconds_left: float | None
    reason: str | None


class Runs:
    """Starts and ends runs, and says how far they are."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._connection = queue.connection
        self._warm_ups = WarmUps(queue)
        self._ask = queue.connection.register_script(scripts.ASK_FOR_RUN)
        self._begin = queue.connection.register_script(scripts.BEGIN_LISTING)
        self._page = queue.connection.register_script(scripts.NOTE_PAGE)
        self._stored = queue.connection.register_script(scripts.NOTE_STORED)
        self._end = queue.connection.register_script(scripts.END_RUN)

    def start(self, project_id: int) -> bool:
        """Ask for the run: find the reference, and queue every task that lacks a prediction made from it.

        A run that goes on goes on; one that was cancelled or is finished begins again where it is.

        Returns:
            False if a sync of the project waits already.
        """
        with redis_errors():
            self._ask(keys=ProjectKeys(project_id).of_tasks(), args=[project_id, SECONDS_TO_LIVE])
        return self._queue.enqueue_sync(project_id)

    def cancel(self, project_id: int) -> int:
        """Drop what the run has not begun, and stop the warm-up; the tasks in hand are finished.

        Returns:
            How many tasks will not be done.
        """
        self._warm_ups.cancel(project_id)
        return self._drop(project_id, "cancelled", "")

    def fail(self, project_id: int, reason: str) -> None:
        """Note that the run cannot start, or its task list not be read, and why; one that goes on goes on."""
        key = ProjectKeys(project_id).run
        with redis_errors():
            state = self._connection.hget(key, "state")
            if state not in (b"waiting", b"listing"):
                return
        self._drop(project_id, "failed", reason)

    def _drop(self, project_id: int, state: RunState, reason: str) -> int:
        left, dropped, more = self._left(project_id), 0, True
        while more:
            with redis_errors():
                count, more = self._end(
                    keys=ProjectKeys(project_id).of_tasks(),
                    args=[project_id, SECONDS_TO_LIVE, state, reason, _DROPPED_AT_ONCE],
                )
            dropped += count
        return dropped + left

    def _left(self, project_id: int) -> int:
        with redis_errors():
            return int(cast("bytes | None", self._connection.hget(ProjectKeys(project_id).run, "left")) or 0)

    def retry_failed(self, project_id: int) -> int:
        """Queue the tasks that failed once more.

        Returns:
            How many.
        """
        keys = ProjectKeys(project_id)
        with redis_errors():
            version = cast("bytes | None", self._connection.hget(keys.project, "model_version"))
            failed = [int(each) for each in cast("list[bytes]", self._connection.zrange(keys.failed, 0, -1))]
            cancelled = self._connection.hget(keys.run, "state") in (b"cancelled", b"failed")
        if not version:
            return 0
        if cancelled:
            self.start(project_id)
        return sum(
            self._queue.enqueue_tasks(project_id, version.decode(), failed[first : first + _FAILED_AT_ONCE])
            for first in range(0, len(failed), _FAILED_AT_ONCE)
        )

    def begin_listing(self, project_id: int, model_version: str) -> bool:
        """Have the task list read from its start, page by page: a sync found the references.

        Returns:
            False if the run was cancelled, or the project has moved on.
        """
        args: list[str | int] = [project_id, SECONDS_TO_LIVE, model_version]
        with redis_errors():
            begun = bool(self._begin(keys=ProjectKeys(project_id).of_tasks(), args=args))
        if begun:
            self._queue.feed(project_id)
        return begun

    def cursor(self, project_id: int, model_version: str) -> int | None:
        """Give the id of the task behind which the next page begins; None if no page is wanted."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            pipe.hget(keys.project, "model_version")
            pipe.hmget(keys.run, "listing", "cursor")
            version, (listing, cursor) = pipe.execute()
        return int(cursor or 0) if version == model_version.encode() and listing == b"1" else None

    def note_stored(self, project_id: int, model_version: str, stored: int) -> None:
        """Note how many tasks have a prediction of the generation, as the list begins to be read.

        Those that the run did not make itself were there before. While tasks are worked on nobody can tell.
        """
        args: list[str | int] = [project_id, SECONDS_TO_LIVE, model_version, stored]
        with redis_errors():
            self._stored(keys=ProjectKeys(project_id).of_tasks(), args=args)

    def note_page(
        self, project_id: int, model_version: str, *, cursor: int, next_cursor: int, left: int
    ) -> bool:
        """Note that the page behind *cursor* is queued, and how many tasks are left behind *next_cursor*.

        Returns:
            False if the page no longer matters.
        """
        args: list[str | int] = [project_id, SECONDS_TO_LIVE, model_version, cursor, next_cursor, left]
        with redis_errors():
            return bool(self._page(keys=ProjectKeys(project_id).of_tasks(), args=args))

    def now_s(self) -> float:
        """Give Redis's time, as ``JobQueue.enqueue_tasks`` takes it for *seen_at*."""
        with redis_errors():
            seconds, microseconds = self._connection.time()
        return seconds + microseconds / 1e6

    def run(self, project_id: int) -> RunProgress | None:
        """Give how far the project's run is; None without one."""
        with redis_errors():
            return run_progress(self._connection, project_id)


def run_progress(connection: Redis, project_id: int) -> RunProgress | None:
    """Read how far the project's run is; None without one."""
    keys = ProjectKeys(project_id)
    with connection.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.run)
        pipe.hget(keys.project, "model_version")
        pipe.hgetall(keys.counts)
        pipe.zrange(keys.recent, 0, _RATED_TASKS - 1, desc=True, withscores=True)
        pipe.time()
        fields, version, counted, recent, (seconds, microseconds) = pipe.execute()
    if not fields:
        return None
    now_s = seconds + microseconds / 1e6
    counts = {state.decode(): int(count) for state, count in sorted(counted.items()) if int(count) > 0}
    left, before = (max(0, int(fields.get(name, 0))) for name in (b"left", b"before"))
    state = cast("RunState", fields[b"state"].decode())
    rate = _rate_per_minute([at for _, at in recent], now_s) if state in ("listing", "running") else None
    todo = left + sum(counts.get(each, 0) for each in _OPEN)
    return RunProgress(
        state=state,
        model_version=version.decode() if version else None,
        total=sum(counts.values()) + left + before,
        counts=counts,
        left=left,
        before=before,
        asked_s_ago=_ago_s(fields, b"asked_at", now_s),
        started_s_ago=_ago_s(fields, b"started_at", now_s),
        ended_s_ago=_ago_s(fields, b"ended_at", now_s),
        rate_per_minute=rate,
        seconds_left=todo / rate * 60 if rate else None,
        reason=fields.get(b"reason", b"").decode() or None,
    )


def _rate_per_minute(changed_at: list[float], now_s: float) -> float | None:
    """Estimate from the times of the last tasks that changed how many are finished per minute."""
    lately = [at for at in changed_at if now_s - at < _RATED_S]
    if len(lately) < 3:
        return None
    return 60 * (len(lately) - 1) / max(now_s - min(lately), 0.001)


def _ago_s(fields: dict[bytes, Any], name: bytes, now_s: float) -> float | None:
    return now_s - float(fields[name]) if fields.get(name) else None
