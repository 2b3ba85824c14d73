"""The application on a real Valkey, without a network between."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq.job import Job

from backend.jobs.connection import connect
from backend.jobs.progress import Progress, ReferenceNote
from backend.jobs.queue import PREDICT_QUEUE, SYNC_QUEUE, JobQueue
from backend.web.app import create_app

VERSION = "oneshot-mobilesam-0a1b"


@dataclass(frozen=True)
class Backend:
    """The application, and what it wrote to Valkey."""

    connection: Redis
    queue: JobQueue
    progress: Progress
    app: Flask

    @property
    def client(self) -> FlaskClient:
        """A client of the application."""
        return self.app.test_client()

    def syncs(self) -> list[int]:
        """The projects whose sync waits."""
        return [job.kwargs["project_id"] for job in self._jobs(SYNC_QUEUE)]

    def predictions(self, queue: str = PREDICT_QUEUE) -> list[list[int]]:
        """The tasks of each prediction job that waits on one of the queues."""
        return [job.kwargs["task_ids"] for job in self._jobs(queue)]

    def take_sync(self, project_id: int) -> None:
        """Let a worker begin the sync that waits."""
        self.queue.queue(SYNC_QUEUE).pop_job_id()
        self.queue.sync_started(project_id)

    def synced(self, project_id: int) -> None:
        """Let a sync of the project find a reference, and nothing wait."""
        self.progress.set_generation(project_id, VERSION, [ReferenceNote("Coin", 1, 2, 3)])

    def _jobs(self, name: str) -> list[Job]:
        return self.queue.queue(name).get_jobs()


@pytest.fixture
def connection(shared_valkey: str) -> Iterator[Redis]:
    """A connection to an empty Valkey."""
    with connect(shared_valkey) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def backend(connection: Redis) -> Backend:
    """The application without basic auth."""
    return backend_on(connection)


def backend_on(connection: Redis, auth: tuple[str, str] | None = None, *, learns: bool = True) -> Backend:
    """Build the application on a connection."""
    queue, progress = JobQueue(connection, tasks_per_job=2), Progress(connection)
    app = create_app(queue, progress, checkpoint="mobilesam", auth=auth, learns=learns)
    return Backend(connection, queue, progress, app)


@pytest.fixture
def client(backend: Backend) -> FlaskClient:
    """A client of the application without basic auth."""
    return backend.client
