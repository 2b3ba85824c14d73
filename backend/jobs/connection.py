"""The connection to Redis or Valkey: short waits, and errors in our own words."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from backend.jobs.errors import QueueUnavailableError


def connect(redis_url: str, *, timeout_s: float = 0.4, retries: int = 1) -> Redis:
    """Prepare a connection pool. Nothing is sent yet: Redis may come up later, go away and come back.

    The defaults suit the web process, which has to say within a second that Redis is gone; workers can afford
    to wait. One retry is needed even so: after a restart of Redis every pooled connection is stale once.

    Args:
        redis_url: ``redis://``, ``rediss://`` or ``unix://``.
        timeout_s: seconds to wait for a connection, and for each answer.
        retries: further attempts of a command that found no connection.

    Raises:
        QueueUnavailableError: the address cannot be one of Redis.
    """
    try:
        return Redis.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(ExponentialBackoff(cap=timeout_s, base=timeout_s / 16), retries),
        )
    except ValueError as exc:
        raise QueueUnavailableError(
            f"expected REDIS_URL like redis://host:6379/0, got one that {exc}"
        ) from exc


@contextmanager
def redis_errors() -> Iterator[None]:
    """Say any failure of Redis as ``QueueUnavailableError``."""
    try:
        yield
    except RedisError as exc:
        came = f"{type(exc).__name__}: {exc}".rstrip(".")
        message = f"expected Redis to answer, got {came}; start it, or correct REDIS_URL"
        raise QueueUnavailableError(message) from exc
