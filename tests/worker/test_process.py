"""The worker's loop on a real Valkey: context, retries, heartbeats, lost workers, being asked to stop."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any, cast

import pytest
from redis import Redis
from rq import Queue, Retry, Worker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from backend.jobs.keys import WORKER, ProjectKeys
from backend.jobs.queue import (
    ATTEMPTS_LEFT,
    INTERACTIVE_QUEUE,
    OPENED_QUEUE,
    PREDICT_QUEUE,
    QUEUE_NAMES,
    SYNC_QUEUE,
    WARM_UP_QUEUE,
    JobQueue,
)
from backend.jobs.request_id import current_request_id
from backend.worker.context import WorkerContext, current_job
from backend.worker.process import OneshotWorker, work
from tests.worker.fake_label_studio import FakeLabelStudio

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


def test_a_worker_whose_supervisor_and_redis_are_both_gone_ends(context: WorkerContext) -> None:
    """Else it would wait for Redis for ever, and nobody would know of it."""
    with Redis(port=1) as nowhere:
        work(connection=nowhere, context=context, parent=os.getppid() + 1)


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


@pytest.mark.parametrize(("pause_s", "ended"), [(0.7, False), (5, True)])
def test_each_task_of_a_job_has_its_time_and_none_has_that_of_all(
    connection: Redis, context: WorkerContext, define: Define, *, pause_s: float, ended: bool
) -> None:
    """One second a task: three of 0.7 s are done, the first of 5 s is ended though the job has a minute."""
    begun: list[float] = []

    def compute(project_id: int) -> None:  # noqa: ARG001
        for _ in range(3):
            current_job.get().begin_part()
            begun.append(time.monotonic())
            time.sleep(pause_s)

    context = replace(context, queue=JobQueue(connection, task_timeout_s=1))
    queue = context.queue.queue(WARM_UP_QUEUE)
    job = queue.enqueue(define(compute), kwargs=PROJECT, job_timeout=60)
    worker = OneshotWorker([WARM_UP_QUEUE], connection=connection, context=context)
    worker.work(max_jobs=1, logging_level="CRITICAL")

    assert time.monotonic() - begun[0] < 4
    assert job.get_status(refresh=True) == (JobStatus.FAILED if ended else JobStatus.FINISHED)


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


def test_a_job_taken_by_a_worker_that_was_killed_at_once_comes_back(
    connection: Redis, context: WorkerContext, define: Define
) -> None:
    """RQ's maintenance finds it in between, a minute after it saw it there first."""
    runs: list[int] = []

    def count(project_id: int) -> None:
        runs.append(project_id)

    queue = context.queue.queue(SYNC_QUEUE)
    job = queue.enqueue(define(count), kwargs=PROJECT, retry=Retry(max=2))
    lost = OneshotWorker(QUEUE_NAMES, connection=connection, context=context)
    assert lost.dequeue_job_and_maintain_ttl(timeout=1) is not None  # and is never heard of again
    between = queue.intermediate_queue
    assert between.get_job_ids() == [job.id]
    between.set_first_seen(job.id)
    connection.set(between.get_first_seen_key(job.id), time.time() - 120)

    OneshotWorker(QUEUE_NAMES, connection=connection, context=context).work(
        max_jobs=1, logging_level="CRITICAL"
    )

    assert runs == [7]
    assert between.get_job_ids() == []


def test_a_job_that_has_started_is_not_in_between_any_more(
    connection: Redis, context: WorkerContext, define: Define
) -> None:
    between: list[list[str]] = []

    def look(project_id: int) -> None:  # noqa: ARG001
        between.append(context.queue.queue(SYNC_QUEUE).intermediate_queue.get_job_ids())

    context.queue.queue(SYNC_QUEUE).enqueue(define(look), kwargs=PROJECT)
    OneshotWorker(QUEUE_NAMES, connection=connection, context=context).work(
        burst=True, logging_level="WARNING"
    )

    assert between == [[]]


@pytest.mark.parametrize(
    ("job_in", "more_urgent", "gives_way"),
    [
        (PREDICT_QUEUE, OPENED_QUEUE, True),
        (PREDICT_QUEUE, INTERACTIVE_QUEUE, True),
        (PREDICT_QUEUE, SYNC_QUEUE, False),
        (PREDICT_QUEUE, WARM_UP_QUEUE, False),
        (WARM_UP_QUEUE, PREDICT_QUEUE, True),
        (OPENED_QUEUE, INTERACTIVE_QUEUE, False),
    ],
)
def test_a_job_gives_way_to_what_is_more_urgent(
    connection: Redis,
    context: WorkerContext,
    define: Define,
    job_in: str,
    more_urgent: str,
    *,
    gives_way: bool,
) -> None:
    """Asked between two tasks: before, while and after something else waits."""
    asked: list[bool] = []

    def ask(**_: Any) -> None:
        job, other = current_job.get(), context.queue.queue(more_urgent)
        asked.append(job.stopping())
        waiting = other.enqueue("time.time")
        asked.append(job.stopping())
        other.remove(waiting)
        asked.append(job.stopping())

    context.queue.queue(job_in).enqueue(define(ask))
    OneshotWorker(QUEUE_NAMES, connection=connection, context=context).work(
        burst=True, logging_level="WARNING"
    )

    assert asked == [False, gives_way, False]


def test_the_end_of_a_job_brings_the_next_of_its_project(
    connection: Redis, context: WorkerContext, define: Define
) -> None:
    context.progress.set_generation(7, "v1", [])
    context.queue.enqueue_tasks(7, "v1", range(1, 100))
    before = context.queue.depths()

    def nothing(project_id: int) -> None:  # noqa: ARG001
        for job in context.queue.queue(PREDICT_QUEUE).get_jobs():
            job.delete()
        connection.delete(ProjectKeys(7).carriers)

    context.queue.queue(SYNC_QUEUE).enqueue(define(nothing), kwargs=PROJECT)
    OneshotWorker(QUEUE_NAMES, connection=connection, context=context).work(
        max_jobs=1, logging_level="CRITICAL"
    )

    assert context.queue.depths()["pending"] < before["pending"]
    assert context.counters.read()["jobs:ok"] == 1


def test_a_job_knows_the_request_that_it_goes_back_to(
    worker: OneshotWorker, queue: Queue, define: Define
) -> None:
    """Also its log lines do, and no longer than the job lasts."""
    seen: list[str | None] = []

    def look() -> None:
        seen.extend([current_job.get().request_id, current_request_id.get()])

    queue.enqueue(define(look), meta={"request_id": "request-1"})
    worker.work(burst=True, logging_level="WARNING")

    assert seen == ["request-1", "request-1"]
    assert current_request_id.get() is None


def test_workers_tell_how_much_memory_they_hold(
    worker: OneshotWorker, queue: Queue, connection: Redis, define: Define
) -> None:
    worker.heartbeat_s = 0.1
    told: list[dict[bytes, bytes]] = []

    def look(project_id: int) -> None:  # noqa: ARG001
        time.sleep(1)
        told.append(cast("dict[bytes, bytes]", connection.hgetall(WORKER.format(worker.name))))

    queue.enqueue(define(look), kwargs=PROJECT)
    worker.work(burst=True, logging_level="WARNING")

    assert int(told[0][b"rss_bytes"]) > 10_000_000
    assert (int(told[0][b"pid"]), told[0][b"project_id"]) == (os.getpid(), b"7")


def test_when_label_studio_is_down_the_work_waits_and_no_attempt_is_used_up(
    full_context: WorkerContext, fake: FakeLabelStudio, define: Define
) -> None:
    """It is asked again beside the loop; as soon as it answers the job runs."""
    context, ran = full_context, list[int]()

    def ask(project_id: int) -> None:
        ran.append(context.label_studio.project(project_id).id)

    fake.broken = lambda _: 503
    threading.Timer(3, lambda: setattr(fake, "broken", lambda _: None)).start()
    job = context.queue.queue(SYNC_QUEUE).enqueue(define(ask), kwargs=PROJECT, retry=Retry(max=ATTEMPTS_LEFT))
    OneshotWorker(QUEUE_NAMES, connection=context.connection, context=context).work(
        max_jobs=2, logging_level="CRITICAL"
    )

    assert ran == [7]
    assert Job.fetch(job.id, connection=context.connection, serializer=JSONSerializer).retries_left == (
        ATTEMPTS_LEFT
    )
    assert sum(each.endswith("/projects/7/") for each in fake.requests) == 2
    assert context.breaker.outage() is None


def test_one_request_that_fails_is_no_outage(
    full_context: WorkerContext, fake: FakeLabelStudio, define: Define
) -> None:
    """Label Studio answers when it is asked who we are: the attempt counts, or it would go on for ever."""

    def ask(project_id: int) -> None:
        full_context.label_studio.project(project_id)

    fake.broken = lambda path: 500 if "projects" in path else None
    job = full_context.queue.queue(SYNC_QUEUE).enqueue(
        define(ask), kwargs=PROJECT, retry=Retry(max=ATTEMPTS_LEFT)
    )
    OneshotWorker(QUEUE_NAMES, connection=full_context.connection, context=full_context).work(
        max_jobs=1, logging_level="CRITICAL"
    )

    found = Job.fetch(job.id, connection=full_context.connection, serializer=JSONSerializer)
    assert found.retries_left == ATTEMPTS_LEFT - 1
    assert full_context.breaker.outage() is None
    assert full_context.counters.read()["label_studio_errors:LabelStudioUnavailableError"] == 1
