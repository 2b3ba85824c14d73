"""Sums that all processes share."""

from redis import Redis

from backend.jobs.counters import Counters
from backend.jobs.progress import Progress, TaskProgress


def test_sums_grow(connection: Redis) -> None:
    Counters(connection).add({"seconds:fetch": 1.5, "cache:hit": 1})
    Counters(connection).add({"seconds:fetch": 0.25})
    Counters(connection).add({})

    assert Counters(connection).read() == {"seconds:fetch": 1.75, "cache:hit": 1}


def test_finished_tasks_and_their_stages_are_summed(connection: Redis, progress: Progress) -> None:
    """Stages are kept as sums only; a task that waits is not counted, nor one of an older generation."""
    progress.set_generation(7, "v1", [])
    done = TaskProgress(1, "done", stages={"fetch": 0.5, "encode": 2})
    progress.record_many(7, "v1", [done, TaskProgress(2, "empty", stages={"fetch": 0.5})])
    progress.record(7, "v1", TaskProgress(3, "queued"))
    progress.record(7, "v0", done)

    assert Counters(connection).read() == {
        "images:done": 1,
        "images:empty": 1,
        "seconds:fetch": 1,
        "seconds:encode": 2,
    }
