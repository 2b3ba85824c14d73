"""Children start, answer, and end, whatever happens to their parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from backend.demo.errors import DemoProcessError, DemoSetupError
from backend.demo.processes import Child, Processes, answers, free_port, require_free_port
from backend.demo.valkey import start_valkey


def python(*statements: str) -> list[str]:
    return [sys.executable, "-c", "\n".join(statements)]


SLEEPER = python("import time", "time.sleep(60)")
STUBBORN = python(
    "import signal, time",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "print('deaf', flush=True)",
    "time.sleep(60)",
)
PARENT_OF_ONE = python(
    "import subprocess, time",
    "print(subprocess.Popen(['sleep', '60']).pid, flush=True)",
    "time.sleep(60)",
)
NOTES_ITS_END = python(
    "import pathlib, signal, sys, time",
    "def note(*_): pathlib.Path(sys.argv[1]).write_text(str(time.time())); sys.exit()",
    "signal.signal(signal.SIGTERM, note)",
    "print('ready', flush=True)",
    "time.sleep(60)",
)
USER_OF_PROCESSES = python(
    "import pathlib, sys, time",
    "from backend.demo.processes import Processes",
    "child = Processes(pathlib.Path(sys.argv[1])).start('orphan', ['sleep', '60'])",
    "time.sleep(1)",
    "print(child.process.pid, flush=True)",
    "time.sleep(60)",
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path / "logs") as processes:
        yield processes


def test_a_child_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"

    with Processes(tmp_path) as processes:
        server = processes.start(
            "files", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        )
        server.wait_healthy(url, timeout_s=20)

    assert server.process.returncode == -signal.SIGTERM
    assert not answers(url)


def test_a_child_that_ends_shows_the_end_of_its_log(processes: Processes) -> None:
    child = processes.start("broken", python("print('no such table')", "raise SystemExit(3)"))

    with pytest.raises(
        DemoProcessError, match=r"broken ended with status 3; the end of .*broken\.log:\nno such table"
    ):
        child.wait_healthy("http://127.0.0.1:9/", timeout_s=20)


def test_a_child_that_never_answers_is_given_up(processes: Processes) -> None:
    child = processes.start("slow", SLEEPER)

    with pytest.raises(DemoProcessError, match=r"slow was not ready after 0\.5 s"):
        child.wait_until(lambda: False, timeout_s=0.5)


def test_another_program_that_answers_in_its_place_does_not_count(processes: Processes) -> None:
    """The port was taken: the child ended, and what answers the health check is somebody else."""
    child = processes.start("double", python("raise SystemExit(1)"))
    child.process.wait(20)

    with pytest.raises(DemoProcessError, match="double ended"):
        child.wait_until(lambda: True, timeout_s=5)


def test_a_child_that_ended_is_noticed_later(processes: Processes) -> None:
    processes.start("sleeper", SLEEPER)
    processes.require_running()
    ended = processes.start("ended", python(""))
    ended.process.wait(20)

    with pytest.raises(DemoProcessError, match="ended ended with status 0"):
        processes.require_running()


def test_a_child_deaf_to_terminate_is_killed(processes: Processes) -> None:
    child = processes.start("deaf", STUBBORN)
    child.wait_until(partial(_said, child, "deaf"), timeout_s=20)

    child.stop(grace_s=0.5)

    assert child.process.returncode == -signal.SIGKILL


def test_grandchildren_end_too(processes: Processes) -> None:
    child = processes.start("parent", PARENT_OF_ONE)
    child.wait_until(lambda: child.last_log_lines() != "", timeout_s=20)
    grandchild = psutil.Process(int(child.last_log_lines()))

    child.stop()

    assert _ends(grandchild)


def test_the_last_started_ends_first(tmp_path: Path) -> None:
    """Each writes the time of its end; the one started later writes the earlier one."""
    with Processes(tmp_path) as processes:
        for name in ("first", "second"):
            child = processes.start(name, [*NOTES_ITS_END, tmp_path / name])
            child.wait_until(partial(_said, child, "ready"), timeout_s=20)

    assert float((tmp_path / "second").read_text()) < float((tmp_path / "first").read_text())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's wish is Linux's")
def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([*USER_OF_PROCESSES, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        orphan = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)

    assert _ends(orphan)


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with pytest.raises(DemoSetupError, match=f"port {port} is in use.*; choose another"):
            require_free_port(port, purpose="choose another")


def test_valkey_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        url = start_valkey(processes)
        port = int(url.removesuffix("/0").rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=5).close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def _said(child: Child, word: str) -> bool:
    return word in child.last_log_lines()


def _ends(process: psutil.Process, timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
