"""Child processes with a log file each, a health check, and a sure end.

``with Processes(log_dir) as processes:`` stops everything started inside it, the last one first, whatever
happens: terminate, wait, kill, always the whole process group. A child also ends when this process is killed
(``child.py``).
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from requests.auth import HTTPBasicAuth

from backend.demo.errors import DemoProcessError, DemoSetupError

LOG_LINES_SHOWN = 15
POLL_S = 0.1
PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Child:
    """One started program."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        """Whether the program has not ended."""
        return self.process.poll() is None

    def last_log_lines(self) -> str:
        """The end of the program's log, for an error message."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])

    def require_running(self) -> None:
        """Check that the program has not ended.

        Raises:
            DemoProcessError: it has; with its exit status and the end of its log.
        """
        if not self.running:
            raise DemoProcessError(
                f"{self.name} ended with status {self.process.returncode}{self._log_excerpt()}"
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until *ready* answers true.

        Raises:
            DemoProcessError: the program ended, or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            self.require_running()
            if time.monotonic() > deadline:
                raise DemoProcessError(
                    f"{self.name} was not ready after {timeout_s:g} s{self._log_excerpt()}"
                )
            time.sleep(POLL_S)
        self.require_running()  # what answered was another program, if this one has ended

    def wait_healthy(self, url: str, *, timeout_s: float = 60, auth: tuple[str, str] | None = None) -> None:
        """Wait until *url* answers with a 2xx status.

        Raises:
            DemoProcessError: as ``wait_until``.
        """
        self.wait_until(lambda: answers(url, auth=auth), timeout_s=timeout_s)

    def stop(self, *, grace_s: float = 10) -> None:
        """End the program and all it started: SIGTERM to the process group, then SIGKILL."""
        self._signal_group(signal.SIGTERM)
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._signal_group(signal.SIGKILL)
            self.process.wait()
        self._signal_group(signal.SIGKILL)  # what the program left behind

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)  # the child leads a session, so its group has its process id
        except ProcessLookupError:
            return

    def _log_excerpt(self) -> str:
        return f"; the end of {self.log}:\n{self.last_log_lines()}"


class Processes:
    """The programs started so far; leaving the ``with`` block stops them, the last one first."""

    def __init__(self, log_dir: Path) -> None:
        self.log_dir = log_dir
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Child:
        """Start a program in a process group of its own, its output going to ``<log_dir>/<name>.log``.

        Args:
            name: what messages and the log file call it.
            command: program and arguments.
            environment: its whole environment; None hands this process's own through.
            folder: its working folder.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log = self.log_dir / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "backend.demo.child", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        child = Child(name=name, process=process, log=log)
        self._children.append(child)
        return child

    def require_running(self) -> None:
        """Check that nothing started here has ended.

        Raises:
            DemoProcessError: something has; with the end of its log.
        """
        for child in self._children:
            child.require_running()

    def stop(self, *, grace_s: float = 10) -> None:
        """Stop everything, the last one started first."""
        while self._children:
            self._children.pop().stop(grace_s=grace_s)


def answers(url: str, *, auth: tuple[str, str] | None = None) -> bool:
    """Whether *url* answers with a 2xx status, now."""
    credentials = HTTPBasicAuth(auth[0].encode(), auth[1].encode()) if auth else None
    try:
        return requests.get(url, timeout=PROBE_TIMEOUT_S, auth=credentials, allow_redirects=False).ok
    except requests.RequestException:
        return False


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def require_free_port(port: int, *, purpose: str, host: str = "127.0.0.1") -> None:
    """Check that *port* can be listened on.

    Args:
        port: the TCP port.
        purpose: the program that needs it, and how to give it another one, for the message.
        host: the address it will listen on.

    Raises:
        DemoSetupError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise DemoSetupError(f"port {port} is in use or not allowed ({exc.strerror}); {purpose}") from exc
