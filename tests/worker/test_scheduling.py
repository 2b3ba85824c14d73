"""Jobs whose pause is over reach the queue without RQ's scheduler process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from backend.jobs.queue import JobQueue
from backend.worker.scheduling import LOCK_S, Scheduler

NAME = "a-queue"


@pytest.fixture
def connection(valkey: str) -> Iterator[Redis]:
    with Redis.from_url(valkey) as connection:
        yield connection


def scheduled(connection: Redis, *, in_s: float) -> Queue:
    """A queue with one job that is due in *in_s* seconds."""
    queue = Queue(NAME, connection=connection, serializer=JSONSerializer)
    queue.enqueue_at(datetime.now(UTC) + timedelta(seconds=in_s), "time.time")
    return queue


def test_a_due_job_goes_to_its_queue(connection: Redis) -> None:
    queue = scheduled(connection, in_s=-1)

    Scheduler([NAME], connection).step()

    assert queue.count == 1


def test_a_job_that_is_not_due_stays(connection: Redis) -> None:
    queue = scheduled(connection, in_s=60)

    Scheduler([NAME], connection).step()

    assert queue.count == 0


def test_one_of_two_schedulers_does_the_work_and_leaves_it_when_it_stops(connection: Redis) -> None:
    """The second one gets the lock at its next step, not after RQ's ten minutes."""
    first, second = Scheduler([NAME], connection), Scheduler([NAME], connection)
    first.step()
    queue = scheduled(connection, in_s=-1)

    second.step()
    assert queue.count == 0
    first.stop()
    second.step()
    assert queue.count == 1


def test_the_lock_of_a_worker_that_died_is_free_soon(connection: Redis) -> None:
    Scheduler([NAME], connection).step()

    assert 0 < connection.ttl(f"rq:scheduler-lock:{NAME}") <= LOCK_S


def test_a_sync_that_was_wanted_later_is_queued_when_it_is_due(connection: Redis) -> None:
    queue = JobQueue(connection)
    queue.sync_later(7, in_s=-1)

    Scheduler([NAME], connection, queue=queue).step()

    assert queue.sync_waits(7)
