"""The job that embeds images before there is a reference, so that the first one finds them embedded."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rq import Retry

from backend.jobs.payloads import WarmUp
from backend.labelstudio.client import Task
from backend.labelstudio.errors import LabelStudioError, PermanentError, TransientError
from backend.labelstudio.label_config import Control, image_controls, image_keys
from backend.vision.errors import VisionError
from backend.vision.pipeline import Models
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.predict import images_of
from backend.worker.prefetch import Loaded, by_task
from backend.worker.retries import GIVE_BACK

IMAGES_PER_JOB = 8
_BYTES_PER_VALUE = 2  # as they are kept

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedded:
    """What became of some tasks: how many have their images embedded, how many not one, and bytes on disk."""

    done: int = 0
    failed: int = 0
    bytes: int = 0


def warm_up(project_id: int, token: str, after_id: int) -> dict[str, int] | Retry:
    """Embed the images of the next few tasks, and let the queue go on with those behind them.

    A job that gives way to something more urgent is done again later: what it has embedded is kept.
    """
    job, payload, started = current_job.get(), WarmUp(project_id, token, after_id), time.monotonic()
    try:
        embedded = _embed_page(job, payload)
    except PermanentError as exc:
        _end(job, payload, str(exc))
        return {}
    finally:
        job.worker.report_cache()
    if embedded is None:
        return GIVE_BACK
    logger.info(
        "job %s: warm-up of project %d: images of %d tasks embedded, of %d they cannot be, in %.1f s",
        *(job.job_id, payload.project_id, embedded.done, embedded.failed, time.monotonic() - started),
    )
    return {"done": embedded.done, "failed": embedded.failed}


def _embed_page(job: JobContext, payload: WarmUp) -> Embedded | None:
    """Embed some images and note it; None if something more urgent came first."""
    worker, project_id, token = job.worker, payload.project_id, payload.token
    if not worker.warm_ups.is_wanted(project_id, token):
        return Embedded()
    if worker.embeddings is None or not worker.embeddings.keeps:
        _end(job, payload, "no embeddings are kept (ONESHOT_CACHE_BYTES is 0)")
        return Embedded()
    controls = image_controls(worker.label_studio.project(project_id).label_config)
    page = worker.label_studio.task_page(project_id, after_id=payload.after_id, limit=IMAGES_PER_JOB)
    if page.left:
        worker.warm_ups.go_on(project_id, token, after_id=page.tasks[-1].id)
    embedded = _embed_each(job, controls, page.tasks)
    if embedded is not None:
        worker.warm_ups.note(project_id, token, done=embedded.done, failed=embedded.failed, left=page.left)
        if page.left and _fills_cache(worker, project_id, embedded):
            _end(job, payload, "the cache holds no more (ONESHOT_CACHE_BYTES)")
    return embedded


def _embed_each(job: JobContext, controls: Sequence[Control], tasks: Sequence[Task]) -> Embedded | None:
    done = size = 0
    with images_of(job.worker, lambda task: image_keys(controls, task.data), tasks) as images:
        for _, of_task in by_task(images):
            sizes = []
            for image in of_task:
                if job.stopping():
                    return None
                job.begin_part()
                sizes.append(_embed_one(job, image))
            done += any(sizes)
            size += sum(sizes)
    return Embedded(done, len(tasks) - done, size)


def _embed_one(job: JobContext, image: Future[Loaded]) -> int:
    """Give the bytes that an image's embeddings take; 0 of one that cannot be embedded."""
    try:
        return embed(job.worker.models, image.result().image.pixels)
    except TransientError as exc:
        if job.label_studio_is_down(exc):
            raise
    except (LabelStudioError, VisionError):
        pass  # told when its task is predicted
    return 0


def embed(models: Models, image: NDArray[np.uint8]) -> int:
    """Have the encoders see the whole image, as the search will; models that keep what they see keep it.

    The tiles of an image, into which only small objects make the search look, are not embedded.

    Args:
        models: with a cache.
        image: RGB, (H, W, 3) uint8.

    Returns:
        Bytes that its embeddings take.
    """
    embedding = models.sam.embed(image)
    dense = models.semantic.dense(image, embedding)
    tensors = [embedding.features, *embedding.fine, dense]
    return sum(each.numel() for each in tensors) * _BYTES_PER_VALUE


def _fills_cache(worker: WorkerContext, project_id: int, embedded: Embedded) -> bool:
    """Whether as many images more would push the project's first ones out again."""
    progress = worker.warm_ups.progress(project_id)
    if progress is None or worker.embeddings is None or not embedded.done:
        return False
    mean = embedded.bytes / embedded.done
    return not worker.embeddings.holds((progress.done + embedded.done) * mean)


def _end(job: JobContext, payload: WarmUp, reason: str) -> None:
    logger.info("job %s: the warm-up of project %d ends: %s", job.job_id, payload.project_id, reason)
    job.worker.warm_ups.note(payload.project_id, payload.token, done=0, failed=0, left=0)
