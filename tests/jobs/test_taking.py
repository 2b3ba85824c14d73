"""A job is taken by one worker, the most urgent first, and is not lost with the worker."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from redis import Redis
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer

from backend.jobs.breaker import Breaker
from backend.jobs.progress import Progress
from backend.jobs.queue import OPENED_QUEUE, PREDICT_QUEUE, SYNC_QUEUE, JobQueue
from backend.jobs.taking import OneshotQueue
from backend.jobs.warm_ups import WarmUps

VERSION = "oneshot-mobilesam-0a"
TAKE_AND_DIE = """
import os, signal, sys
from redis import Redis
from backend.jobs.queue import QUEUE_NAMES
from backend.jobs.taking import OneshotQueue
from rq.serializers import JSONSerializer

class Killed(OneshotQueue):
    @classmethod
    def _fetch_dequeued_job(cls, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

connection = Redis.from_url(sys.argv[1])
queues = [OneshotQueue(name, connection=connection, serializer=JSONSerializer) for name in QUEUE_NAMES]
Killed.dequeue_any(queues, None, connection=connection)
"""


@pytest.fixture
def take(queue: JobQueue) -> Callable[..., Job | None]:
    """Takes the next job as a worker does."""

    def take(timeout: int | None = None) -> Job | None:
        taken = OneshotQueue.dequeue_any(
            queue.queues(), timeout, connection=queue.connection, serializer=JSONSerializer
        )
        return taken[0] if taken else None

    return take


def origins(take: Callable[..., Job | None], number: int) -> list[str | None]:
    """The queues of the next jobs."""
    return [job.origin if (job := take()) else None for _ in range(number)]


def test_the_most_urgent_job_is_taken_first(
    queue: JobQueue, progress: Progress, take: Callable[..., Job | None]
) -> None:
    progress.set_generation(7, VERSION, [])
    WarmUps(queue).start(7)
    queue.enqueue_tasks(7, VERSION, [1, 2, 3, 4])
    queue.enqueue_sync(7)
    queue.enqueue_tasks(7, VERSION, [5], priority="opened")
    queue.enqueue_tasks(7, VERSION, [6], priority="interactive")

    assert origins(take, 7) == [
        "oneshot-interactive",
        OPENED_QUEUE,
        SYNC_QUEUE,
        PREDICT_QUEUE,
        PREDICT_QUEUE,
        "oneshot-warmup",
        None,
    ]


def test_without_a_job_it_waits_as_long_as_it_may(take: Callable[..., Job | None]) -> None:
    started = time.monotonic()
    with pytest.raises(DequeueTimeout):
        take(timeout=1)

    assert 0.9 < time.monotonic() - started < 5


def test_while_label_studio_is_down_nothing_is_taken(
    queue: JobQueue, connection: Redis, take: Callable[..., Job | None]
) -> None:
    queue.enqueue_sync(7)
    Breaker(connection).trip("it is down")
    assert take() is None

    Breaker(connection).close()
    assert take() is not None


def test_a_job_that_is_gone_is_passed_over(queue: JobQueue, take: Callable[..., Job | None]) -> None:
    queue.enqueue_sync(7)
    queue.enqueue_sync(8)
    gone, kept = queue.queue(SYNC_QUEUE).get_jobs()
    gone.connection.delete(gone.key)

    assert take() == kept
    assert queue.queue(SYNC_QUEUE).intermediate_queue.get_job_ids() == [kept.id]


def test_a_job_survives_a_worker_that_is_killed_the_moment_it_has_taken_it(
    queue: JobQueue, shared_valkey: str
) -> None:
    """A real process, killed with SIGKILL after Redis has handed out the job, before anything is noted."""
    queue.enqueue_sync(7)
    (job,) = queue.queue(SYNC_QUEUE).get_jobs()

    killed = subprocess.run([sys.executable, "-c", TAKE_AND_DIE, shared_valkey], check=False, timeout=60)

    assert killed.returncode == -9
    assert queue.queue(SYNC_QUEUE).count == 0
    assert queue.queue(SYNC_QUEUE).intermediate_queue.get_job_ids() == [job.id]
    assert not queue.enqueue_sync(7)  # it counts as waiting: maintenance brings it back
