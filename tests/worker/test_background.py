"""A background step goes on whatever Redis does, and stops when told."""

import threading

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from backend.worker.background import Background


def test_the_step_is_called_until_stopped() -> None:
    calls: list[float] = []
    reached = threading.Event()

    def step() -> None:
        calls.append(1)
        if len(calls) == 3:
            reached.set()

    thread = Background("test", step, interval_s=0.001)
    thread.start()
    assert reached.wait(5)
    thread.stop()

    assert not thread.is_alive()
    assert len(calls) >= 3


def test_redis_being_away_is_said_once_and_waited_out(caplog: pytest.LogCaptureFixture) -> None:
    """Three failures in a row, then Redis is back: one warning, and the step is still called."""
    calls: list[float] = []
    reached = threading.Event()

    def step() -> None:
        calls.append(1)
        if len(calls) == 4:
            reached.set()
        if len(calls) < 4:
            raise RedisConnectionError("connection refused")

    thread = Background("scheduler", step, interval_s=0.001)
    thread.start()
    assert reached.wait(5)
    thread.stop()

    assert [record.getMessage() for record in caplog.records] == [
        "scheduler waits for Redis: connection refused"
    ]
