"""Web process, worker and queue for a Label Studio that is there already."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from backend.demo.processes import Processes, require_free_port
from backend.demo.services import Services, run_until_interrupted, start_services
from backend.demo.valkey import start_valkey


@dataclass(frozen=True)
class ServeOptions:
    """Which Label Studio, where to listen; without a Redis URL an embedded Valkey is started."""

    label_studio_url: str
    label_studio_api_key: str
    redis_url: str | None
    host: str
    port: int
    logs: Path


def serve(options: ServeOptions, console: Console) -> None:
    """Run until Ctrl-C; afterwards everything it started has ended.

    Raises:
        DemoSetupError: the port is in use.
        DemoProcessError: a program ended, or did not answer in time; with the end of its log.
    """
    require_free_port(options.port, purpose="set ONESHOT_PORT to another one", host=options.host)
    with Processes(options.logs) as processes:
        redis_url = options.redis_url or start_valkey(processes)
        services = Services(
            options.label_studio_url, options.label_studio_api_key, redis_url, options.host, options.port
        )
        url = start_services(processes, services)
        text = (
            f"Connect {url} in Label Studio: project, Settings, Model, Connect Model\n"
            f"What it does: {url}/   Logs: {options.logs}   Ctrl-C stops everything"
        )
        run_until_interrupted(
            processes, lambda: console.print(text, highlight=False, markup=False, soft_wrap=True)
        )
        console.print("Stopping")
