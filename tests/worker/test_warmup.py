"""Images that are embedded before the first mask exists, by a worker on a real Valkey."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.vision.pipeline import Models
from backend.worker.context import WorkerContext
from backend.worker.embedding_cache import EmbeddingCache
from tests.worker.cached_models import cached_models
from tests.worker.conftest import SIZE_HW, disc
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]
IMAGES = 20


@pytest.fixture
def embeddings(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path, max_bytes=2**30)


@pytest.fixture
def cached(embeddings: EmbeddingCache) -> Models:
    """The tiny models with a cache, as a worker has them."""
    return cached_models(embeddings)


@pytest.fixture
def project(fake: FakeLabelStudio) -> FakeLabelStudio:
    """Twenty different images, and no mask."""
    fake.annotations.clear()
    fake.tasks.clear()
    noise = np.random.default_rng(0)
    for _ in range(IMAGES):
        fake.add_task(disc() ^ noise.integers(0, 8, (*SIZE_HW, 3), dtype=np.uint8))
    return fake


def large_mask() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Of an object that needs no tiles."""
    mask = np.zeros(SIZE_HW, bool)
    mask[2:46, 5:75] = True
    return mask


def test_after_a_warm_up_the_first_mask_costs_no_encoding(
    full_context: WorkerContext,
    project: FakeLabelStudio,
    run_jobs: RunJobs,
    cached: Models,
    embeddings: EmbeddingCache,
) -> None:
    full_context.warm_ups.start(PROJECT)
    run_jobs(models=cached, embeddings=embeddings)
    progress = full_context.warm_ups.progress(PROJECT)
    encoded = full_context.counters.read()["cache:miss"]

    project.annotate(1, large_mask())
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(models=cached, embeddings=embeddings)

    assert progress is not None
    assert (progress.state, progress.done, progress.failed) == ("finished", IMAGES, 0)
    assert encoded == 2 * IMAGES
    assert project.predicted() == list(range(2, IMAGES + 1))
    assert full_context.counters.read()["cache:miss"] == encoded
    assert full_context.counters.read()["cache:hit"] >= 2 * IMAGES


def test_a_new_reference_costs_no_encoding_and_changes_no_embedding(
    full_context: WorkerContext,
    project: FakeLabelStudio,
    run_jobs: RunJobs,
    cached: Models,
    embeddings: EmbeddingCache,
) -> None:
    """Small objects, in tiles; the second generation by another process."""
    mask = np.zeros(SIZE_HW, bool)
    mask[10:30, 20:40] = True
    project.annotate(1, mask)
    full_context.queue.enqueue_sync(PROJECT)
    first = run_jobs(models=cached, embeddings=embeddings)["model_version"]
    before = full_context.counters.read()["cache:miss"]

    project.annotations.clear()
    project.annotate(1, np.roll(mask, 12, axis=1))
    full_context.queue.enqueue_sync(PROJECT)
    other = cached_models(embeddings)
    second = run_jobs(models=other, embeddings=embeddings)["model_version"]

    assert first != second
    new = full_context.counters.read()["cache:miss"] - before
    assert new <= 2  # the tile around the new reference's object, which is cut where the object is


def test_images_that_cannot_be_embedded_are_counted_and_stop_nothing(
    full_context: WorkerContext,
    project: FakeLabelStudio,
    run_jobs: RunJobs,
    cached: Models,
    embeddings: EmbeddingCache,
) -> None:
    project.files[project.tasks[2]["image"]] = b"a text file"
    project.tasks[12] = {"text": "no image"}
    del project.files[project.tasks[20]["image"]]

    full_context.warm_ups.start(PROJECT)
    run_jobs(models=cached, embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done, progress.failed) == ("finished", IMAGES - 3, 3)


@pytest.mark.usefixtures("project")
def test_a_warm_up_that_is_cancelled_ends_with_the_job_in_hand(
    full_context: WorkerContext, run_jobs: RunJobs, cached: Models, embeddings: EmbeddingCache
) -> None:
    full_context.warm_ups.start(PROJECT)
    run_jobs(jobs=1, models=cached, embeddings=embeddings)
    full_context.warm_ups.cancel(PROJECT)
    run_jobs(models=cached, embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done) == ("cancelled", 8)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(("max_bytes", "done"), [(0, 0), (100_000, 16)])
def test_a_warm_up_ends_when_nothing_more_can_be_kept(
    full_context: WorkerContext, run_jobs: RunJobs, tmp_path: Path, max_bytes: int, done: int
) -> None:
    """With a cache that is off, or too small for the project."""
    embeddings = EmbeddingCache(tmp_path / "small", max_bytes=max_bytes)

    full_context.warm_ups.start(PROJECT)
    run_jobs(models=cached_models(embeddings), embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done) == ("finished", done)


@pytest.mark.usefixtures("project")
def test_without_brush_labels_a_warm_up_ends(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, embeddings: EmbeddingCache
) -> None:
    fake.label_config = fake.label_config.replace("BrushLabels", "KeyPointLabels")

    full_context.warm_ups.start(PROJECT)
    run_jobs(embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert progress.state == "finished"


def test_a_warm_up_gives_way_to_what_is_more_urgent_and_goes_on_after_it(
    full_context: WorkerContext,
    project: FakeLabelStudio,
    run_jobs: RunJobs,
    cached: Models,
    embeddings: EmbeddingCache,
) -> None:
    """A sync is asked for while the third image is embedded."""
    encode = cached.sam.embed
    asked: list[int] = []

    class Interrupted:
        """A SAM during whose third image somebody wants something."""

        def embed(self, image: Any) -> Any:
            """Embed the image."""
            asked.append(len(project.requests))
            if len(asked) == 3:
                full_context.queue.enqueue_sync(PROJECT)
            return encode(image)

    full_context.warm_ups.start(PROJECT)
    stand_in: Any = Interrupted()
    run_jobs(models=Models(stand_in, cached.semantic), embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done) == ("finished", IMAGES)
    assert len(asked) == IMAGES + 3  # the three before the sync are looked up again
    assert asked[3] - asked[2] > 1
