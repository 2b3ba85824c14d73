"""The job of a worker that was seen to die need not wait for its heartbeat to run out."""

import time
from typing import Any, cast

from redis import Redis
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker, Worker

from backend.jobs.lost_workers import note_death
from backend.jobs.queue import SYNC_QUEUE, JobQueue


def begin(queue: JobQueue, name: str, project_id: int) -> SimpleWorker:
    """A worker that has a job in hand."""
    queue.enqueue_sync(project_id)
    worker = SimpleWorker(
        [SYNC_QUEUE], name=name, connection=queue.connection, serializer=JSONSerializer, worker_ttl=60
    )
    cast("Any", worker).register_birth()
    taken = worker.dequeue_job_and_maintain_ttl(timeout=1)
    assert taken is not None
    worker.prepare_execution(taken[0])
    return worker


def abandoned(connection: Redis) -> list[str]:
    registry = StartedJobRegistry(SYNC_QUEUE, connection=connection, serializer=JSONSerializer)
    return [str(job_id).split("-")[1] for job_id in registry.get_expired_job_ids(int(time.time()))]


def test_the_job_of_the_dead_worker_is_abandoned_and_no_other(queue: JobQueue, connection: Redis) -> None:
    begin(queue, "host-17-ab", 7)
    begin(queue, "host-178-cd", 8)
    assert abandoned(connection) == []

    assert note_death(connection, "host", 17) == 1

    assert abandoned(connection) == ["7"]
    assert [worker.name for worker in Worker.all(connection)] == ["host-178-cd"]


def test_a_worker_without_a_job_leaves_nothing(queue: JobQueue, connection: Redis) -> None:
    worker = begin(queue, "host-17-ab", 7)
    cast("Any", worker).register_death()

    assert note_death(connection, "host", 17) == 0
    assert note_death(connection, "host", 99) == 0
    assert abandoned(connection) == []
