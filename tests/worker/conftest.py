"""A worker's collaborators for tests: a real Valkey; what a test does not touch is left out."""

from collections.abc import Iterator
from typing import Any, cast

import pytest
from backend.vision.pipeline import SearchOptions
from redis import Redis

from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.labelstudio.images import ImageLimits
from backend.worker.context import WorkerContext


@pytest.fixture
def connection(valkey: str) -> Iterator[Redis]:
    """A connection to an empty Valkey."""
    with Redis.from_url(valkey) as connection:
        yield connection


@pytest.fixture
def context(connection: Redis) -> WorkerContext:
    """What jobs find that neither speak to Label Studio nor compute."""
    nothing = cast("Any", None)
    return WorkerContext(
        label_studio=nothing,
        fetcher=nothing,
        limits=ImageLimits(),
        models=nothing,
        checkpoint="tiny",
        search=SearchOptions(),
        connection=connection,
        queue=JobQueue(connection),
        progress=Progress(connection),
    )
