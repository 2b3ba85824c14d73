"""A worker whose job hangs or eats memory ends itself; its job is tried again elsewhere. Real processes."""

import subprocess
import sys
from typing import Any, cast

import pytest
from redis import Redis
from rq import Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from backend.jobs.lost_workers import note_death
from backend.jobs.queue import ATTEMPTS_LEFT, SYNC_QUEUE, WARM_UP_QUEUE, JobQueue
from backend.worker.context import WorkerContext
from backend.worker.process import OneshotWorker

TIMEOUT_S = 60
WORK = """
import logging, signal, sys, time, types
from redis import Redis
from backend.jobs.progress import Progress
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.labelstudio.images import ImageLimits
from backend.vision.pipeline import SearchOptions
from backend.worker.context import WorkerContext, current_job
from backend.worker.process import OneshotWorker

def hang(project_id):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # as a loop in C does
    time.sleep(600)

def hang_in_a_part(project_id):
    current_job.get().begin_part()
    hang(project_id)

def eat(project_id):
    eaten = b"x" * 600_000_000
    time.sleep(600)

def wait(project_id):
    time.sleep(600)

module = types.ModuleType("jobs_of_a_test")
module.hang, module.hang_in_a_part, module.eat, module.wait = hang, hang_in_a_part, eat, wait
sys.modules["jobs_of_a_test"] = module
logging.basicConfig(level="INFO", format="%(message)s")
connection = Redis.from_url(sys.argv[1])
context = WorkerContext(
    label_studio=None, fetcher=None, limits=ImageLimits(), models=None, checkpoint="tiny", semantics="none",
    search=SearchOptions(), connection=connection,
    queue=JobQueue(connection, task_timeout_s=1), progress=Progress(connection),
)
worker = OneshotWorker(QUEUE_NAMES, connection=connection, context=context)
worker.heartbeat_s, worker.heartbeat_ttl_s = 0.2, 2
worker.max_memory_bytes = int(sys.argv[2])
worker.work(logging_level="CRITICAL")
"""


def run_worker(valkey: str, *, max_memory_bytes: int = 0) -> subprocess.CompletedProcess[str]:
    """Let a worker process run until it ends by itself."""
    command = [sys.executable, "-c", WORK, valkey, str(max_memory_bytes)]
    return subprocess.run(command, check=False, timeout=TIMEOUT_S, capture_output=True, text=True)


def enqueue(connection: Redis, function: str, *, timeout_s: int = 60, queue_name: str = SYNC_QUEUE) -> Job:
    queue = JobQueue(connection).queue(queue_name)
    retry = Retry(max=ATTEMPTS_LEFT)
    return queue.enqueue(
        f"jobs_of_a_test.{function}", kwargs={"project_id": 7}, job_timeout=timeout_s, retry=retry
    )


def is_tried_again(job: Job, context: WorkerContext) -> bool:
    """Whether the maintenance of another worker has the job tried again."""
    other = OneshotWorker([SYNC_QUEUE], connection=context.connection, context=context)
    registry = context.queue.queue(SYNC_QUEUE).started_job_registry
    for member in cast("list[bytes]", context.connection.zrange(registry.key, 0, -1)):
        context.connection.zadd(registry.key, {member: 1})  # its heartbeat has run out
    cast("Any", other).clean_registries()
    found = Job.fetch(job.id, connection=context.connection, serializer=JSONSerializer)
    return found.get_status() == JobStatus.SCHEDULED and found.retries_left == ATTEMPTS_LEFT - 1


def test_a_job_that_hangs_outside_of_python_ends_with_its_worker(
    valkey: str, connection: Redis, context: WorkerContext
) -> None:
    job = enqueue(connection, "hang", timeout_s=1)

    ended = run_worker(valkey)

    assert ended.returncode == -9
    assert "hangs" in ended.stderr
    assert is_tried_again(job, context)


def test_a_task_that_hangs_outside_of_python_ends_with_its_worker(valkey: str, connection: Redis) -> None:
    """Though its job has time for many."""
    enqueue(connection, "hang_in_a_part", timeout_s=9600, queue_name=WARM_UP_QUEUE)

    ended = run_worker(valkey)

    assert ended.returncode == -9
    assert "hangs" in ended.stderr


def test_a_job_that_eats_memory_ends_with_its_worker(
    valkey: str, connection: Redis, context: WorkerContext
) -> None:
    job = enqueue(connection, "eat")

    ended = run_worker(valkey, max_memory_bytes=800_000_000)

    assert ended.returncode == -9
    assert "ONESHOT_MAX_MEMORY" in ended.stderr
    assert is_tried_again(job, context)


def test_an_idle_worker_that_holds_too_much_ends_in_peace(valkey: str) -> None:
    ended = run_worker(valkey, max_memory_bytes=1_000_000)

    assert ended.returncode == 0
    assert "ONESHOT_MAX_MEMORY" in ended.stderr


@pytest.mark.parametrize("told", [True, False])
def test_whoever_saw_a_worker_die_can_say_so(
    valkey: str, connection: Redis, context: WorkerContext, *, told: bool
) -> None:
    """Else its heartbeat has to run out."""
    job = enqueue(connection, "wait")
    worker = subprocess.Popen([sys.executable, "-c", WORK, valkey, "0"])
    try:
        while job.get_status(refresh=True) != JobStatus.STARTED:
            assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    host = OneshotWorker([SYNC_QUEUE], connection=connection, context=context).hostname
    if told:
        assert note_death(connection, str(host), worker.pid) == 1

    other: Any = OneshotWorker([SYNC_QUEUE], connection=connection, context=context)
    other.clean_registries()

    assert job.get_status(refresh=True) == (JobStatus.SCHEDULED if told else JobStatus.STARTED)
