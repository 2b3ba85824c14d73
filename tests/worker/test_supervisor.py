"""Several workers: kept running, started again after growing pauses, stopped together. Real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

TIMEOUT_S = 60
SUPERVISE = """
import logging, sys
from backend.worker.supervisor import Supervisor

logging.basicConfig(level="INFO", format="%(message)s")
script, count, stop_s = sys.argv[1:]
supervisor = Supervisor([sys.executable, "-c", script], count=int(count), threads=3, stop_s=float(stop_s))
raise SystemExit(supervisor.run())
"""
# All write into one file, each line at once: `print` writes it in pieces where Python's output is unbuffered.
PATIENT = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"asked\\n"), os._exit(0)))
os.write(1, f"threads {os.environ['ONESHOT_THREADS']} {os.environ['OMP_NUM_THREADS']}\\n".encode())
time.sleep(600)
"""
DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"deaf\\n")
time.sleep(600)
"""
REFUSED = r"import os; os.write(1, b'refused\n'); raise SystemExit(1)"
Supervise = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def supervise(log: Path) -> Iterator[Supervise]:
    """Starts a supervisor of workers that run a script."""
    started: list[subprocess.Popen[bytes]] = []

    def supervise(script: str, *, count: int = 2, stop_s: float = 20) -> subprocess.Popen[bytes]:
        with log.open("a") as file:  # all of them write there: each at its end
            command = [sys.executable, "-c", SUPERVISE, script, str(count), str(stop_s)]
            started.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
        return started[-1]

    yield supervise
    sys.stdout.write(log.read_text())  # shown where a test fails
    for process in started:
        if process.poll() is None:
            for worker in psutil.Process(process.pid).children():
                worker.kill()
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def said(log: Path, words: str) -> int:
    """How often *words* were said."""
    return log.read_text().count(words)


def test_each_worker_gets_its_share_of_the_cores(supervise: Supervise, log: Path) -> None:
    supervise(PATIENT, count=2)

    wait_until(lambda: said(log, "threads 3 3") == 2)


def test_a_killed_worker_starts_again_after_a_growing_pause(supervise: Supervise, log: Path) -> None:
    supervisor = psutil.Process(supervise(PATIENT, count=2).pid)
    wait_until(lambda: said(log, "threads") == 2)
    for starts in (3, 4):
        supervisor.children()[0].kill()
        wait_until(lambda starts=starts: said(log, "threads") == starts)  # type: ignore[misc]

    assert len(supervisor.children()) == 2
    assert said(log, "signal SIGKILL") == 2
    assert supervisor.is_running()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_all_workers_end_in_peace(supervise: Supervise, log: Path, number: int) -> None:
    process = supervise(PATIENT, count=2)
    wait_until(lambda: said(log, "threads") == 2)

    process.send_signal(number)

    assert process.wait(TIMEOUT_S) == 0
    assert said(log, "asked") == 2


def test_a_worker_that_does_not_stop_in_time_is_killed(supervise: Supervise, log: Path) -> None:
    process = supervise(DEAF, count=1, stop_s=0.5)
    wait_until(lambda: said(log, "deaf") == 1)
    (worker,) = psutil.Process(process.pid).children()

    process.send_signal(signal.SIGTERM)

    assert process.wait(TIMEOUT_S) == 0
    assert not worker.is_running()


def test_when_no_worker_can_start_it_ends_with_an_error(supervise: Supervise, log: Path) -> None:
    """A refused key heals by no restart; whoever started this learns of it by the exit status."""
    process = supervise(REFUSED, count=1)

    assert process.wait(TIMEOUT_S) == 1
    assert said(log, "refused") == 3


def test_a_supervisor_that_is_killed_takes_no_shares(supervise: Supervise, log: Path) -> None:
    """Its workers have another parent then, which is how they notice."""
    process = supervise(PATIENT, count=1)
    wait_until(lambda: said(log, "threads") == 1)
    (worker,) = psutil.Process(process.pid).children()
    try:
        process.kill()
        process.wait()
        wait_until(lambda: worker.ppid() != process.pid)
        assert worker.ppid() != os.getpid()
    finally:
        worker.kill()
