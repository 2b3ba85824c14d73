"""Sums over all processes, in Redis: what ``/metrics`` shows of the workers."""

from collections.abc import Mapping
from typing import cast

from redis import Redis
from redis.client import Pipeline

from backend.jobs.connection import redis_errors
from backend.jobs.keys import COUNTERS


class Counters:
    """Named sums that only grow, and start over when Redis loses its data."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def add(self, amounts: Mapping[str, float]) -> None:
        """Add each amount to the sum of its name.

        Raises:
            QueueUnavailableError: Redis does not answer.
        """
        if amounts:
            with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
                add_counts(pipe, amounts)
                pipe.execute()

    def read(self) -> dict[str, float]:
        """Give all sums.

        Raises:
            QueueUnavailableError: Redis does not answer.
        """
        with redis_errors():
            found = cast("dict[bytes, bytes]", self._connection.hgetall(COUNTERS))
        return {name.decode(): float(value) for name, value in found.items()}


def add_counts(pipe: Pipeline, amounts: Mapping[str, float]) -> None:
    """Have *pipe* add each amount to the sum of its name."""
    for name, amount in amounts.items():
        pipe.hincrbyfloat(COUNTERS, name, amount)
