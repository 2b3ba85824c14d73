"""A worker's collaborators for tests: a real Valkey, a tiny SAM, a fake Label Studio behind real HTTP."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from redis import Redis

from backend.jobs.progress import Progress
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.jobs.snapshot import snapshot
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.semantics import CropEncoder
from backend.worker.context import WorkerContext
from backend.worker.process import OneshotWorker
from tests.tiny_sam import tiny_sam, tiny_sam_model
from tests.worker.fake_label_studio import TOKEN, FakeLabelStudio, serve

SIZE_HW = (48, 80)
Project = dict[str, Any]


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
        limits=ImageLimits(max_side=4000),
        models=nothing,
        checkpoint="tiny",
        semantics="colours",
        search=SearchOptions(max_instances=2),
        connection=connection,
        queue=JobQueue(connection),
        progress=Progress(connection),
    )


@pytest.fixture
def fake() -> Iterator[FakeLabelStudio]:
    """A fake Label Studio with three tasks, the first of them annotated."""
    with serve(FakeLabelStudio()) as served:
        for _ in range(3):
            served.add_task(disc())
        served.annotate(1, disc_mask())
        yield served


@pytest.fixture(scope="session")
def models() -> Models:
    """A tiny random SAM, and a semantic encoder that sees mean colours; more threads would only wait."""
    torch.set_num_threads(1)
    return Models(sam=tiny_sam(), semantic=CropEncoder(lambda pixels: pixels))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny SAM as a folder that ``ONESHOT_SAM`` takes."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    tiny_sam_model().save_pretrained(folder)
    return folder


@pytest.fixture
def full_context(context: WorkerContext, fake: FakeLabelStudio, models: Models) -> Iterator[WorkerContext]:
    """What every job of a worker finds."""
    with LabelStudio(fake.url, TOKEN, timeout_s=5) as client:
        fetcher = ImageFetcher(fake.url, client.authorisation, limits=context.limits, timeout_s=5)
        yield replace(context, label_studio=client, fetcher=fetcher, models=models)


@pytest.fixture
def run_jobs(full_context: WorkerContext) -> Iterator[Callable[..., Project]]:
    """Runs what waits on the queue in a worker; gives what the status page says of the project then.

    Collaborators that are given by name stand in for the usual ones.
    """

    def run(*, jobs: int | None = None, **instead: Any) -> Project:
        context = replace(full_context, **instead)
        worker = OneshotWorker(QUEUE_NAMES, connection=context.connection, context=context)
        worker.work(burst=jobs is None, max_jobs=jobs, logging_level="CRITICAL")
        found: list[Project] = snapshot(full_context.connection)["projects"]
        return found[0] if found else {}

    yield run
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def disc(size_hw: tuple[int, int] = SIZE_HW) -> NDArray[np.uint8]:
    """A bright disc on a dark ground, (H, W, 3) uint8."""
    image = np.full((*size_hw, 3), 30, np.uint8)
    image[disc_mask(size_hw)] = (200, 180, 90)
    return image


def disc_mask(size_hw: tuple[int, int] = SIZE_HW) -> NDArray[np.bool_]:
    """Where the disc is, (H, W) bool."""
    rows, columns = np.indices(size_hw)
    inside: NDArray[np.bool_] = (rows - 20) ** 2 + (columns - 30) ** 2 < 12**2
    return inside
