"""A real Valkey behind a queue and a progress."""

from collections.abc import Iterator

import pytest
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue


@pytest.fixture
def connection(shared_valkey: str) -> Iterator[Redis]:
    """A connection to an empty Valkey."""
    with connect(shared_valkey) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def queue(connection: Redis) -> JobQueue:
    """A queue with jobs of two tasks."""
    return JobQueue(connection, tasks_per_job=2)


@pytest.fixture
def progress(connection: Redis) -> Progress:
    """Progress on the same Valkey as the queue."""
    return Progress(connection)
