"""Retries whose pause is over go back to the queue."""

from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer


class Scheduler:
    """RQ's scheduler without its process.

    RQ forks one, and a fork of a process in which torch has started its threads may hang. Its single step
    only talks to Redis, so a thread of the worker calls it. Of all workers on a queue, the one that holds the
    queue's lock does the work; the lock of a worker that died is free after a minute.
    """

    def __init__(self, queue_names: Sequence[str], connection: Redis) -> None:
        self._scheduler: Any = RQScheduler(
            list(queue_names), connection=connection, serializer=JSONSerializer, logging_level="WARNING"
        )
        self._queue_names = set(queue_names)
        self._born = False

    def step(self) -> None:
        """Put the jobs that are due on their queue, if this scheduler has or gets the lock."""
        if not self._born:
            self._scheduler.register_birth()
            self._born = True
        if self._scheduler.acquired_locks != self._queue_names:
            self._scheduler.acquire_locks()
        self._scheduler.heartbeat()
        self._scheduler.enqueue_scheduled_jobs()

    def stop(self) -> None:
        """Leave the lock to another worker."""
        self._scheduler.stop()
