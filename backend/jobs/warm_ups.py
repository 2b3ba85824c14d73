"""A warm-up: the images of a project are embedded before its first mask exists."""

from dataclasses import dataclass
from typing import Literal, cast
from uuid import uuid4

from redis import Redis
from rq.job import Job

from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.queue import JobQueue


@dataclass(frozen=True)
class WarmUpProgress:
    """How far a warm-up is.

    Attributes:
        state: how far.
        done: images that are embedded.
        failed: images that cannot be.
        left: images that the task list still holds.
    """

    state: Literal["running", "finished", "cancelled"]
    done: int
    failed: int
    left: int


class WarmUps:
    """Starts and ends warm-ups, and says how far they are. A token tells a warm-up from the one before."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._connection = queue.connection

    def start(self, project_id: int, *, once: bool = False) -> bool:
        """Start a warm-up.

        Args:
            project_id: the project.
            once: not if there ever was one.

        Returns:
            False if one runs.
        """
        key = ProjectKeys(project_id).warm_up
        with redis_errors():
            state = cast("bytes | None", self._connection.hget(key, "state"))
            is_lost = state == b"running" and self._is_lost(project_id)
            if (state == b"running" or (once and state is not None)) and not is_lost:
                return False
            token = uuid4().hex[:12]
            with self._connection.pipeline() as pipe:
                pipe.delete(key)
                pipe.hset(
                    key, mapping={"token": token, "state": "running", "done": 0, "failed": 0, "left": 0}
                )
                pipe.expire(key, SECONDS_TO_LIVE)
                pipe.execute()
        self._enqueue(project_id, token, after_id=0)
        return True

    def cancel(self, project_id: int) -> None:
        """End the warm-up that runs, if one does: its jobs do nothing more."""
        key = ProjectKeys(project_id).warm_up
        with redis_errors():
            if self._connection.hget(key, "state") == b"running":
                self._connection.hset(key, "state", "cancelled")

    def go_on(self, project_id: int, token: str, *, after_id: int) -> bool:
        """Have the images behind *after_id* embedded, by whoever is free.

        Returns:
            False if the warm-up has ended.
        """
        if not self.is_wanted(project_id, token):
            return False
        self._enqueue(project_id, token, after_id=after_id)
        return True

    def _enqueue(self, project_id: int, token: str, *, after_id: int) -> None:
        job_id = self._queue.enqueue_warm_up(project_id, token, after_id=after_id)
        with redis_errors():
            self._connection.hset(ProjectKeys(project_id).warm_up, "job", job_id)

    def _is_lost(self, project_id: int) -> bool:
        """Whether the job of the last page that was queued is not there any more, so that nobody goes on."""
        job_id = cast("bytes | None", self._connection.hget(ProjectKeys(project_id).warm_up, "job"))
        return job_id is not None and not self._connection.exists(Job.key_for(job_id.decode()))

    def give_up(self, project_id: int, token: str) -> None:
        """End the warm-up of this token, if it goes on: its job was tried often enough."""
        if self.is_wanted(project_id, token):
            self.cancel(project_id)

    def note(self, project_id: int, token: str, *, done: int, failed: int, left: int) -> bool:
        """Add images to those that are done, and note how many the task list still holds; 0 ends it.

        Returns:
            False if the warm-up was cancelled, or another one has begun.
        """
        key = ProjectKeys(project_id).warm_up
        with redis_errors():
            found = self._connection.hmget(key, "token", "state")
            if found[0] != token.encode() or found[1] == b"cancelled":
                return False
            with self._connection.pipeline() as pipe:
                pipe.hincrby(key, "done", done)
                pipe.hincrby(key, "failed", failed)
                if found[1] == b"running":
                    pipe.hset(key, mapping={"left": left, "state": "running" if left else "finished"})
                pipe.execute()
        return True

    def is_wanted(self, project_id: int, token: str) -> bool:
        """Whether the warm-up of this token goes on."""
        with redis_errors():
            found = self._connection.hmget(ProjectKeys(project_id).warm_up, "token", "state")
        return found == [token.encode(), b"running"]

    def progress(self, project_id: int) -> WarmUpProgress | None:
        """Give how far the project's last warm-up is; None without one."""
        with redis_errors():
            return warm_up_progress(self._connection, project_id)


def warm_up_progress(connection: Redis, project_id: int) -> WarmUpProgress | None:
    """Read how far the project's last warm-up is; None without one."""
    fields = cast("dict[bytes, bytes]", connection.hgetall(ProjectKeys(project_id).warm_up))
    if b"state" not in fields:
        return None
    return WarmUpProgress(
        state=cast("Literal['running', 'finished', 'cancelled']", fields[b"state"].decode()),
        done=int(fields.get(b"done", 0)),
        failed=int(fields.get(b"failed", 0)),
        left=int(fields.get(b"left", 0)),
    )
