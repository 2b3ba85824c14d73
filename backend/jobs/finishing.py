"""What follows a run: its generation is shown to annotators, and some time later older predictions go."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.payloads import ShowGeneration, Tidy
from backend.jobs.queue import SYNC_QUEUE, WARM_UP_QUEUE, JobQueue

_SHOW_GENERATION = "backend.worker.finishing.show_generation"
_TIDY = "backend.worker.finishing.tidy"
_SHOWN, _TIDIED = "shown", "tidied"


@dataclass(frozen=True)
class Finished:
    """A generation whose run is over.

    Attributes:
        project_id: of its project.
        model_version: its name.
        is_shown: whether annotators see it.
        is_tidied: whether older predictions are gone.
        ended_at: when the run ended, in seconds since 1970.
        ended_s_ago: seconds since then.
    """

    project_id: int
    model_version: str
    is_shown: bool
    is_tidied: bool
    ended_at: float
    ended_s_ago: float

    def job_id(self, step: str) -> str:
        """Name a job that follows this run, and no other of the same generation."""
        digest = self.model_version.rpartition("-")[2]  # the rest may have dots, which RQ does not take
        return f"{step}-{self.project_id}-{digest}-{round(1000 * self.ended_at)}"


class Finishing:
    """Finds runs that are over, and notes what has followed.

    Args:
        queue: of the runs.
        order: the setting of the order in which tasks are handed out: where another one was set with the
            generation that is shown, that is shown anew.
    """

    def __init__(self, queue: JobQueue, *, order: str = "") -> None:
        self._queue = queue
        self._order = order
        self._connection: Redis = queue.connection

    def enqueue_due(self, *, stale_s: float) -> int:
        """Queue what is due of all projects.

        Args:
            stale_s: seconds after a run until older predictions go.

        Returns:
            How many jobs were queued.
        """
        queued = 0
        for finished in self._finished(self._queue.project_ids()):
            if not finished.is_shown:
                queued += self._enqueue_showing(finished)
            elif not finished.is_tidied and finished.ended_s_ago >= stale_s:
                queued += self.enqueue_tidying(finished, after_id=0)
        return queued

    def _enqueue_showing(self, finished: Finished) -> bool:
        payload = ShowGeneration(finished.project_id, finished.model_version)
        job_id = finished.job_id(f"show-{self._order}" if self._order else "show")
        return self._queue.put_once(SYNC_QUEUE, _SHOW_GENERATION, payload.as_kwargs(), job_id)

    def enqueue_tidying(self, finished: Finished, *, after_id: int) -> bool:
        """Have older predictions removed from the next few tasks, unless a job for that is there."""
        payload = Tidy(finished.project_id, finished.model_version, after_id)
        job_id = finished.job_id(f"tidy-{after_id}")
        return self._queue.put_once(WARM_UP_QUEUE, _TIDY, payload.as_kwargs(), job_id)

    def finished(self, project_id: int) -> Finished | None:
        """Give the current generation of a project if its run is over."""
        return next(iter(self._finished([project_id])), None)

    def _finished(self, project_ids: Sequence[int]) -> list[Finished]:
        """Give the current generations of those of the projects whose run is over, in one step."""
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            for project_id in project_ids:
                keys = ProjectKeys(project_id)
                pipe.hmget(keys.project, "model_version", _SHOWN, _TIDIED)
                pipe.hmget(keys.run, "state", "ended_at")
            pipe.time()
            *found, (seconds, microseconds) = pipe.execute()
        now_s = seconds + microseconds / 1e6
        return [
            Finished(
                *(project_id, version.decode(), shown == self._shown(version), tidied == version),
                ended_at=float(ended_at),
                ended_s_ago=now_s - float(ended_at),
            )
            for project_id, (version, shown, tidied), (state, ended_at) in zip(
                project_ids, found[::2], found[1::2], strict=True
            )
            if version and state == b"finished" and ended_at
        ]

    def note_shown(self, project_id: int, model_version: str) -> None:
        """Note that annotators see a generation."""
        self._note(project_id, _SHOWN, self._shown(model_version.encode()))

    def note_tidied(self, project_id: int, model_version: str) -> None:
        """Note that predictions older than a generation are gone."""
        self._note(project_id, _TIDIED, model_version.encode())

    def _shown(self, model_version: bytes) -> bytes:
        """Give what is noted of a generation that is shown, with its order."""
        return model_version + (f" {self._order}".encode() if self._order else b"")

    def _note(self, project_id: int, field: str, value: bytes) -> None:
        key = ProjectKeys(project_id).project
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hset(key, field, value)
            pipe.expire(key, SECONDS_TO_LIVE)
            pipe.execute()
