"""What there is at this moment, over all projects and workers, in numbers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from redis import Redis

from backend.jobs.breaker import Breaker
from backend.jobs.connection import redis_errors
from backend.jobs.keys import PROJECTS, ProjectKeys
from backend.jobs.snapshot import worker_rows

_STATES = ("queued", "processing", "done", "empty", "skipped", "failed")
_DOING = ("idle", "busy")


@dataclass(frozen=True)
class Figures:
    """Numbers of this moment.

    Attributes:
        projects: how many are known.
        tasks: by state, of the current generation of each project.
        workers: by what they do.
        worker_bytes: memory by the worker's name, where it says so.
        is_down: whether Label Studio is down.
    """

    projects: int
    tasks: Mapping[str, float]
    workers: Mapping[str, float]
    worker_bytes: Mapping[str, float]
    is_down: bool


def figures(connection: Redis) -> Figures:
    """Read the numbers.

    Raises:
        QueueUnavailableError: Redis does not answer.
    """
    with redis_errors():
        members = cast("list[bytes]", connection.zrange(PROJECTS, 0, -1))
        with connection.pipeline(transaction=False) as pipe:
            for member in members:
                pipe.hgetall(ProjectKeys(int(member)).counts)
            counted = pipe.execute()
        workers = worker_rows(connection)
    tasks = Counter(dict.fromkeys(_STATES, 0))
    for counts in counted:
        tasks.update({state.decode(): max(0, int(count)) for state, count in counts.items()})
    doing = Counter(dict.fromkeys(_DOING, 0))
    doing.update(worker["state"] for worker in workers)
    return Figures(
        projects=len(members),
        tasks=dict(tasks),
        workers=dict(doing),
        worker_bytes={worker["name"]: worker["rss_bytes"] for worker in workers if worker["rss_bytes"]},
        is_down=Breaker(connection).outage() is not None,
    )
