"""Our own processes, started as `oneshot up` starts them, against a real Label Studio."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from backend.demo.processes import Child, Processes, free_port

ONESHOT = Path(sys.executable).parent / "oneshot"
READY_TIMEOUT_S = 60
RUNNING = ("queued", "processing")


@dataclass(frozen=True)
class Stack:
    """A web process and, maybe, a worker on one queue.

    Attributes:
        url: of the web process.
        redis_url: of the queue.
        web: the web process.
        worker: the worker, if there is one.
        auth: user and password of the web process, if it asks.
    """

    url: str
    redis_url: str
    web: Child
    worker: Child | None
    auth: tuple[str, str] | None = None

    def get(self, path: str) -> requests.Response:
        """One page of the web process."""
        return requests.get(f"{self.url}{path}", timeout=10, auth=self.auth)

    def status(self) -> dict[str, Any]:
        """What /status knows, as JSON."""
        response = requests.get(
            f"{self.url}/status", timeout=10, auth=self.auth, headers={"Accept": "application/json"}
        )
        assert response.ok, response.text
        snapshot: dict[str, Any] = response.json()
        return snapshot

    def project(self, project: int) -> dict[str, Any]:
        """What /status knows of one project; empty when nothing."""
        found: dict[str, Any] = next(filter(lambda row: row["id"] == project, self.status()["projects"]), {})
        return found

    def tasks(self, project: int) -> dict[int, dict[str, Any]]:
        """What /status knows of each task."""
        return {task["id"]: task for task in self.project(project).get("tasks", [])}

    def wait_for(self, ready: Callable[[], bool], *, what: str, timeout_s: float = 240) -> None:
        """Wait until *ready* answers true; fails the test with what is known if it never does."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.require_running()
            assert time.monotonic() < deadline, f"{what}: not after {timeout_s:g} s; {self._known()}"
            time.sleep(0.3)

    def wait_for_tasks(
        self, project: int, tasks: list[int], *, timeout_s: float = 240
    ) -> dict[int, dict[str, Any]]:
        """Wait until each of *tasks* is done with, one way or another; their rows on /status."""

        def settled() -> bool:
            rows = self.tasks(project)
            return all(task in rows and rows[task]["state"] not in RUNNING for task in tasks)

        self.wait_for(settled, what=f"tasks {tasks} of project {project} settled", timeout_s=timeout_s)
        rows = self.tasks(project)
        return {task: rows[task] for task in tasks}

    def wait_until_idle(self, *, timeout_s: float = 240) -> None:
        """Wait until no job waits or runs, twice in a row."""
        for _ in range(2):
            self.wait_for(self._idle, what="no job waits or runs", timeout_s=timeout_s)
            time.sleep(0.5)

    def require_running(self) -> None:
        """Fail with the end of the log if a process ended."""
        self.web.require_running()
        if self.worker is not None:
            self.worker.require_running()

    def _idle(self) -> bool:
        status = self.status()
        return not status["queue"]["waiting"] and not any(worker["job"] for worker in status["workers"])

    def _known(self) -> str:
        log = self.worker.last_log_lines() if self.worker else "no worker"
        return f"status: {self.status()}\nworker log:\n{log}"


def stack_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of our processes: settings by name in lower case; nothing of the caller's."""
    usual = {"oneshot_host": "127.0.0.1", "home": str(Path.home()), "path": "/usr/bin:/bin"}
    return {name.upper(): value for name, value in {**usual, **settings}.items()}


def start_web(processes: Processes, environment: Mapping[str, str], *, name: str, port: int) -> Child:
    """Start ``oneshot web`` at a port, without waiting for it."""
    environment = {**environment, "ONESHOT_PORT": str(port)}
    return processes.start(f"{name}-web", [ONESHOT, "web"], environment=environment)


def start_stack(
    processes: Processes,
    environment: Mapping[str, str],
    *,
    name: str,
    with_worker: bool = True,
    workers: int | None = None,
    wrapper: Sequence[str | Path] = (),
) -> Stack:
    """Start ``oneshot web`` and ``oneshot worker`` and wait until the web process answers.

    Args:
        processes: who stops them.
        environment: as ``stack_environment`` gives it; the port is added.
        name: what their logs are called.
        with_worker: whether there is one.
        workers: that many under one supervisor; None: one process without.
        wrapper: the program that starts the worker, with its arguments; the worker's command follows.
    """
    port = free_port()
    user = environment.get("ONESHOT_BASIC_AUTH_USER", "")
    auth = (user, environment["ONESHOT_BASIC_AUTH_PASSWORD"]) if user else None
    web = start_web(processes, environment, name=name, port=port)
    command = [*wrapper, ONESHOT, "worker", *(["-n", str(workers)] if workers else [])]
    worker = processes.start(f"{name}-worker", command, environment=environment) if with_worker else None
    url = f"http://127.0.0.1:{port}"
    web.wait_healthy(f"{url}/health", timeout_s=READY_TIMEOUT_S, auth=auth)
    return Stack(url=url, redis_url=environment["REDIS_URL"], web=web, worker=worker, auth=auth)
