"""Clock: how long the stages of one search take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Stage = Literal["encode", "search", "check"]


@dataclass(frozen=True)
class StageSeconds:
    """Wall clock of each stage, in seconds."""

    encode: float
    search: float
    check: float


class Clock:
    """Adds up the wall clock of stages that may come again and again."""

    def __init__(self) -> None:
        self._spent: dict[Stage, float] = {"encode": 0.0, "search": 0.0, "check": 0.0}

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Count what happens inside for the stage *name*."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._spent[name] += time.perf_counter() - started

    @property
    def seconds(self) -> StageSeconds:
        """What each stage took so far."""
        return StageSeconds(**self._spent)
