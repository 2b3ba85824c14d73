"""How a worker takes its next job: the most urgent one, and so that it is not lost with the worker."""

import time
from collections.abc import Iterable
from typing import Any, cast

from redis import Redis
from rq import Queue
from rq.exceptions import DequeueTimeout
from rq.job import Job

from backend.jobs.keys import BREAKER
from backend.jobs.scripts import TAKE_JOB

_POLL_S = 0.1


class OneshotQueue(Queue):
    """RQ's queue, with a safe and strictly ordered way to take a job from several.

    On one queue RQ moves the job to an intermediate list, from which its maintenance brings it back if the
    worker is killed before the job is registered as started. From several queues it pops with ``BLPOP``,
    and a worker killed then takes the job with it. No command of Redis blocks on several lists and moves, so
    this looks ten times a second. While Label Studio is down nothing is taken.
    """

    @classmethod
    def dequeue_any(
        cls,
        queues: Iterable[Queue],
        timeout: int | None,
        connection: Redis,
        job_class: type[Job] | None = None,
        serializer: Any = None,  # noqa: ANN401 - RQ takes many things
        death_penalty_class: Any = None,  # noqa: ANN401
    ) -> tuple[Job, Queue] | None:
        """Take the next job of the first of *queues* that has one.

        Args:
            queues: the most urgent first.
            timeout: seconds to wait for a job; None: do not wait.
            connection: to Redis.
            job_class: as RQ passes it on.
            serializer: as RQ passes it on.
            death_penalty_class: as RQ passes it on.

        Returns:
            The job and its queue; None without waiting.

        Raises:
            DequeueTimeout: no job came in time.
        """
        keys = [queue.key for queue in queues]
        take = connection.register_script(TAKE_JOB)
        deadline = time.monotonic() + (timeout or 0)
        while True:
            taken = cast("tuple[bytes, bytes] | None", take(keys=[BREAKER, *keys]))
            if taken is not None:
                queue_key, job_id = taken[0].decode(), taken[1].decode()
                found = cls._fetch_dequeued_job(
                    *(connection, queue_key, job_id, job_class, serializer, death_penalty_class)
                )
                if found is not None:
                    return found
                connection.lrem(f"{queue_key}:intermediate", 1, job_id)  # the job is gone: cancelled, expired
            elif timeout is None:
                return None
            elif time.monotonic() > deadline:
                raise DequeueTimeout(timeout, keys)
            else:
                time.sleep(_POLL_S)
