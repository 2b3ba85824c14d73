"""What is done every now and then, by one worker for all."""

import time
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from backend.jobs.finishing import Finishing
from backend.jobs.queue import JobQueue

FEED_S = 5
LOCK_S = 15  # after which another worker takes over from one that died
_RQ_ADDS_S = 60  # RQ holds its lock for its own pause, which is not used here, and this


class Scheduler:
    """RQ's scheduler without its process: jobs whose pause is over go back to their queue.

    RQ forks one, and a fork of a process in which torch has started its threads may hang. Its single step
    only talks to Redis, so a thread of the worker calls it. Of all workers on a queue, the one that holds the
    queue's lock does the work; the lock of a worker that died is soon free. That worker also tops
    up the jobs of each run, has done what follows a run, and queues the syncs that were to wait; now and then
    it has all projects looked at for what was missed.

    Args:
        queue_names: whose jobs are put back.
        connection: to Redis.
        queue: whose runs are fed; None: of none.
        reconcile_s: seconds between two looks at all projects; 0: never.
        stale_s: seconds after a run until older predictions of its tasks are removed.
        order: the setting of the order in which tasks are handed out.
    """

    def __init__(
        self,
        queue_names: Sequence[str],
        connection: Redis,
        *,
        queue: JobQueue | None = None,
        reconcile_s: int = 0,
        stale_s: int = 0,
        order: str = "",
    ) -> None:
        self._scheduler: Any = RQScheduler(
            list(queue_names),
            connection=connection,
            interval=LOCK_S - _RQ_ADDS_S,
            serializer=JSONSerializer,
            logging_level="WARNING",
        )
        self._queue_names = set(queue_names)
        self._queue = queue
        self._reconcile_s = reconcile_s
        self._stale_s = stale_s
        self._order = order
        self._fed_at = 0.0
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
        if self._queue is not None and self._scheduler.acquired_locks == self._queue_names:
            self._look_after(self._queue)

    def _look_after(self, queue: JobQueue) -> None:
        if time.monotonic() - self._fed_at > FEED_S:
            queue.feed_all()
            queue.enqueue_late_syncs()
            Finishing(queue, order=self._order).enqueue_due(stale_s=self._stale_s)
            self._fed_at = time.monotonic()
        if self._reconcile_s:
            queue.enqueue_reconciliation(pause_s=self._reconcile_s)

    def stop(self) -> None:
        """Leave the lock to another worker."""
        self._scheduler.stop()
