"""One task: its image in, its prediction in Label Studio."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.lock import Lock

from backend.jobs.connection import redis_errors
from backend.labelstudio.client import Task
from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.images import decode_image
from backend.labelstudio.regions import ScoredMask, prediction
from backend.vision.instance import Instance
from backend.worker.context import WorkerContext
from backend.worker.errors import PushBusyError, StaleGenerationError
from backend.worker.generation import Generation

_PUSH_LOCK = "oneshot:push-lock:{}:{}"
_PUSH_LOCK_S = 120  # longer than Label Studio may take to answer; a killed worker holds up a task no longer
_PUSH_WAIT_S = 10  # then the job's other tasks have their turn


@dataclass(frozen=True)
class TaskOutcome:
    """What was found in one task's image.

    Attributes:
        instances: how many.
        confidence: mean over the instances, None without any.
        seconds: what it took.
        limits: bounds that ended the search early, each as a sentence.
    """

    instances: int
    confidence: float | None
    seconds: float
    limits: tuple[str, ...] = ()


def predict_task(context: WorkerContext, generation: Generation, task: Task) -> TaskOutcome:
    """Find the instances in the task's image and push them.

    Label Studio is given an empty prediction when nothing is found, so that it does not ask again.

    Raises:
        TransientError: Label Studio or the image's server does not answer now.
        PermanentError: the image cannot be fetched or decoded, or Label Studio refuses the prediction.
        VisionError: the models cannot work with the image.
        PushBusyError: another worker is pushing for the same task.
        StaleGenerationError: the project got other references meanwhile; nothing is pushed.
    """
    started = time.monotonic()
    image = decode_image(_image_bytes(context, generation, task), limits=context.limits)
    height, width = image.shape[:2]
    segmentation = context.find(context.models, generation.references, image, options=context.search)
    found = segmentation.instances
    if context.progress.model_version(generation.project_id) != generation.model_version:
        raise StaleGenerationError(f"project {generation.project_id} has left {generation.model_version}")
    _push(context, generation, task, (height, width), found)
    confidence = sum(each.confidence for each in found) / len(found) if found else None
    return TaskOutcome(len(found), confidence, time.monotonic() - started, segmentation.limits)


def _image_bytes(context: WorkerContext, generation: Generation, task: Task) -> bytes:
    key = generation.control.image_key
    uri = task.data.get(key)
    if not isinstance(uri, str) or not uri:
        raise FetchRefusedError(
            f"expected the address of an image under {key!r} in the task's data, got {uri!r}; "
            "correct the task's data or the Image's value in the label config"
        )
    return context.fetcher.fetch(uri, task_id=task.id)


def _push(
    context: WorkerContext,
    generation: Generation,
    task: Task,
    size_hw: tuple[int, int],
    found: tuple[Instance, ...],
) -> None:
    project_id, version = generation.project_id, generation.model_version
    masks = (ScoredMask(each.label, each.mask, each.confidence) for each in found)
    item = prediction(task.id, version, generation.control, size_hw, masks)
    with _push_lock(context.connection, project_id, task.id):
        context.label_studio.replace_predictions(
            project_id, version, [item], label_config=generation.label_config
        )


@contextmanager
def _push_lock(connection: Redis, project_id: int, task_id: int) -> Iterator[None]:
    """Let one worker at a time delete and store the task's predictions: two would leave two."""
    lock = Lock(
        connection,
        _PUSH_LOCK.format(project_id, task_id),
        timeout=_PUSH_LOCK_S,
        blocking_timeout=_PUSH_WAIT_S,
    )
    with redis_errors():
        if not lock.acquire():
            raise PushBusyError(f"another worker is pushing the prediction of task {task_id}")
    try:
        yield
    finally:
        with redis_errors():
            if lock.owned():
                lock.release()
