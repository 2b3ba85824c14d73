"""Our own programs as children: the web process and a worker."""

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backend.demo.errors import DemoSetupError
from backend.demo.processes import Processes, free_port, require_free_port

WEB_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Services:
    """What web and worker are told; the rest of their settings comes from this process's environment."""

    label_studio_url: str
    label_studio_api_key: str
    redis_url: str
    host: str
    port: int

    def environment(self) -> dict[str, str]:
        """The environment of the web process and the worker."""
        return os.environ | {
            "LABEL_STUDIO_URL": self.label_studio_url,
            "LABEL_STUDIO_API_KEY": self.label_studio_api_key,
            "REDIS_URL": self.redis_url,
            "ONESHOT_HOST": self.host,
            "ONESHOT_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }


def start_services(
    processes: Processes, services: Services, *, more_settings: Mapping[str, str] | None = None
) -> str:
    """Start the web process and one worker, and wait until the web process listens.

    Returns:
        The web process's address as seen from this machine.

    Raises:
        DemoProcessError: one of them ended, or the web process did not listen in time.
    """
    environment = services.environment() | dict(more_settings or {})
    web = processes.start("web", _oneshot("web"), environment=environment)
    processes.start("worker", _oneshot("worker"), environment=environment)
    web.wait_until(lambda: _taken(services), timeout_s=WEB_TIMEOUT_S)
    return f"http://{_reachable(services.host)}:{services.port}"


def run_until_interrupted(processes: Processes, announce: Callable[[], None]) -> None:
    """Announce that everything runs, and return at Ctrl-C.

    Raises:
        DemoProcessError: one of the programs ended.
    """
    try:
        announce()
        while True:
            processes.require_running()
            time.sleep(1)
    except KeyboardInterrupt:
        return


def port_near(preferred: int, *, host: str = "127.0.0.1") -> int:
    """*preferred* if nothing listens there, else a free port."""
    try:
        require_free_port(preferred, purpose="another one is taken", host=host)
    except DemoSetupError:
        return free_port(host)
    return preferred


def _oneshot(command: str) -> list[str]:
    return [sys.executable, "-m", "backend.cli", command]


def _taken(services: Services) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((_reachable(services.host), services.port)) == 0


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in {"0.0.0.0", ""} else host  # noqa: S104 - compared, not bound
