"""One worker at a time stores the predictions of a task, on a real Valkey."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.errors import QueueUnavailableError
from backend.jobs.push_locks import PushLocks


def locks(connection: Redis, *, wait_s: float = 0.0) -> PushLocks:
    return PushLocks(connection, 7, wait_s=wait_s)


def test_a_batch_gets_the_locks_that_nobody_else_holds(connection: Redis) -> None:
    """Also those behind one that is taken."""
    with locks(connection).hold([2]), locks(connection).hold([3, 1, 2, 3]) as second:
        assert second.task_ids == {1, 3}


def test_locks_are_given_back(connection: Redis) -> None:
    with locks(connection).hold([1, 2]):
        pass
    with pytest.raises(ZeroDivisionError), locks(connection).hold([1, 2]):
        raise ZeroDivisionError

    assert connection.keys("oneshot:push-lock:*") == []


def test_other_projects_have_locks_of_their_own(connection: Redis) -> None:
    with locks(connection).hold([1]), PushLocks(connection, 8).hold([1]) as other:
        assert other.task_ids == {1}


def test_no_tasks_need_no_locks(connection: Redis) -> None:
    with locks(connection).hold([]) as held:
        assert held.task_ids == frozenset()
        assert held.lost() == []


def test_a_lock_that_is_given_back_soon_is_waited_for(connection: Redis) -> None:
    first = locks(connection).hold([2])
    first.__enter__()
    timer = threading.Timer(0.3, lambda: first.__exit__(None, None, None))
    timer.start()

    with locks(connection, wait_s=10).hold([1, 2, 3]) as second:
        assert second.task_ids == {1, 2, 3}
    timer.join()


def test_waiting_ends(connection: Redis) -> None:
    started = time.monotonic()
    with locks(connection).hold([2]), locks(connection, wait_s=0.3).hold([1, 2, 3]) as second:
        assert second.task_ids == {1, 3}

    assert 0.3 <= time.monotonic() - started < 5


def test_batches_with_the_same_tasks_do_not_wait_for_each_other(connection: Redis) -> None:
    """Each takes its locks in the same order, however it names its tasks: all get all, in turn."""
    batches = [[1, 2, 3], [3, 2, 1], [2, 3, 1], [3, 1], [2, 1], [3, 2]]
    inside = threading.Lock()

    def push(batch: list[int]) -> bool:
        with locks(connection, wait_s=60).hold(batch) as held, inside:
            return held.task_ids == set(batch)

    with ThreadPoolExecutor(len(batches)) as pool:
        assert all(pool.map(push, batches * 2))


def test_a_lock_that_did_not_last_is_noticed_and_left_to_its_new_owner(connection: Redis) -> None:
    with locks(connection).hold([1, 2, 3]) as held:
        assert held.lost() == []
        connection.delete("oneshot:push-lock:7:1")
        connection.set("oneshot:push-lock:7:2", "another worker")
        assert held.lost() == [1, 2]

    assert connection.keys("oneshot:push-lock:*") == [b"oneshot:push-lock:7:2"]


def test_the_locks_of_a_killed_worker_end(connection: Redis) -> None:
    with locks(connection).hold([1]):
        assert 100_000 < connection.pttl("oneshot:push-lock:7:1") <= 120_000


def test_it_says_when_redis_is_gone() -> None:
    with pytest.raises(QueueUnavailableError), locks(connect("redis://127.0.0.1:1/0")).hold([1]):
        pass
