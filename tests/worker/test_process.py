"""The worker's loop on a real Valkey: context, retries, heartbeats, lost workers, being asked to stop."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from redis import Redis
from rq import Queue, Retry, Worker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from backend.jobs.queue import ATTEMPTS_LEFT
from backend.worker.context import WorkerContext, current_job
from backend.worker.process import OneshotWorker

NAME = "a-queue"
PROJECT = {"project_id": 7}
Define = Callable[[Callable[..., Any]], str]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Iterator[Define]:
    """Makes a function of the test a job; gives the path by which it is queued."""
    module = ModuleType("jobs_of_a_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def define(function: Callable[..., Any]) -> str:
        setattr(module, function.__name__, function)
        return f"{module.__name__}.{function.__name__}"

    yield define
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def queue(connection: Redis) -> Queue:
    return Queue(NAME, connection=connection, serializer=JSONSerializer)


@pytest.fixture
def worker(connection: Redis, context: WorkerContext) -> OneshotWorker:
    return OneshotWorker([NAME], connection=connection, context=context)


def test_a_worker_is_named_after_its_host_and_process(worker: OneshotWorker) -> None:
    """The status page shows the name: a person must find the process that it means."""
    assert worker.name.startswith(f"{socket.gethostname()}-{os.getpid()}-")


def test_a_job_finds_its_context(worker: OneshotWorker, queue: Queue, define: Define) -> None:
    seen: list[Any] = []

    def look(project_id: int) -> None:  # noqa: ARG001 - every job has one
        seen.append(current_job.get())

    job = queue.enqueue(define(look), kwargs=PROJECT, retry=Retry(max=3))
    worker.work(burst=True, logging_level="WARNING")

    assert (seen[0].job_id, seen[0].attempts_left, seen[0].stopping()) == (job.id, 3, False)
    assert current_job.get(None) is None


def test_a_job_that_raised_runs_again_after_its_pause(
    worker: OneshotWorker, queue: Queue, context: WorkerContext, define: Define
) -> None:
    """No scheduler process is needed; meanwhile the status page says why the job waits."""
    started: list[float] = []

    def fail_once(project_id: int) -> None:  # noqa: ARG001
        started.append(time.monotonic())
        if len(started) == 1:
            raise OSError("the network is down")

    job = queue.enqueue(define(fail_once), kwargs=PROJECT, retry=Retry(max=ATTEMPTS_LEFT))
    worker.work(max_jobs=2, logging_level="CRITICAL")

    assert job.get_status(refresh=True) == JobStatus.FINISHED
    assert started[1] - started[0] > 0.75 * 5 - 1
    assert context.progress.project(7).error == "unexpected OSError: the network is down; it is tried again"


def test_a_job_in_hand_outlives_the_time_to_live_of_one_heartbeat(
    worker: OneshotWorker, queue: Queue, define: Define
) -> None:
    """Three seconds of work with a time to live of two: the heartbeats keep it from counting as abandoned."""
    worker.heartbeat_s, worker.heartbeat_ttl_s = 0.5, 2
    expired: list[list[str]] = []

    def work_long(project_id: int) -> None:  # noqa: ARG001
        time.sleep(3)
        expired.append(queue.started_job_registry.get_expired_job_ids(int(time.time())))

    queue.enqueue(define(work_long), kwargs=PROJECT)
    worker.work(burst=True, logging_level="WARNING")

    assert expired == [[]]


def test_the_job_of_a_lost_worker_is_tried_again(
    connection: Redis, context: WorkerContext, queue: Queue, define: Define
) -> None:
    """The first worker takes the job and is never heard of again, as after ``kill -9``."""
    runs: list[int] = []

    def count(project_id: int) -> None:
        runs.append(project_id)

    job = queue.enqueue(define(count), kwargs=PROJECT, retry=Retry(max=ATTEMPTS_LEFT))
    lost = OneshotWorker([NAME], connection=connection, context=context)
    lost.heartbeat_ttl_s = 1
    taken = lost.dequeue_job_and_maintain_ttl(timeout=1)
    lost.prepare_job_execution(job, remove_from_intermediate_queue=True)
    lost.prepare_execution(job)
    assert taken is not None
    time.sleep(1.5)
    assert not runs

    OneshotWorker([NAME], connection=connection, context=context).work(max_jobs=1, logging_level="CRITICAL")

    assert runs == [7]
    assert context.progress.project(7).error is not None
    assert "the worker was lost" in str(context.progress.project(7).error)


def test_asked_to_stop_it_finishes_the_job_in_hand_and_takes_no_other(
    worker: OneshotWorker, queue: Queue, define: Define
) -> None:
    stopping: list[bool] = []

    def stop_myself(project_id: int) -> None:  # noqa: ARG001
        os.kill(os.getpid(), signal.SIGTERM)
        stopping.append(current_job.get().stopping())

    first = queue.enqueue(define(stop_myself), kwargs=PROJECT)
    second = queue.enqueue(define(stop_myself), kwargs=PROJECT)
    worker.work(logging_level="WARNING")

    assert stopping == [True]
    assert first.get_status(refresh=True) == JobStatus.FINISHED
    assert second.get_status(refresh=True) == JobStatus.QUEUED
    assert worker.stopping


def test_a_job_given_back_waits_at_the_front(worker: OneshotWorker, queue: Queue, define: Define) -> None:
    def give_back(project_id: int) -> Retry:  # noqa: ARG001
        os.kill(os.getpid(), signal.SIGTERM)
        return Retry(max=1_000_000, interval=0, enqueue_at_front=True)

    first = queue.enqueue(define(give_back), kwargs=PROJECT)
    second = queue.enqueue("time.time")
    worker.work(logging_level="WARNING")

    assert queue.job_ids == [first.id, second.id]
    assert Job.fetch(first.id, connection=queue.connection, serializer=JSONSerializer).is_queued


def test_a_worker_is_listed_again_after_redis_came_back_empty(
    worker: OneshotWorker, queue: Queue, define: Define
) -> None:
    worker.heartbeat_s = 0.2
    listed: list[int] = []

    def lose_everything(project_id: int) -> None:  # noqa: ARG001
        queue.connection.flushall()
        time.sleep(1)
        listed.append(Worker.count(queue=queue))

    queue.enqueue(define(lose_everything), kwargs=PROJECT)
    worker.work(burst=True, logging_level="CRITICAL")

    assert listed == [1]
