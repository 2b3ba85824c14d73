"""One sync: from a project's annotations to the queue of its unfinished tasks. Twice changes nothing."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from redis.lock import Lock

from backend.jobs.connection import redis_errors
from backend.jobs.progress import ReferenceNote
from backend.labelstudio.client import Project
from backend.labelstudio.errors import LabelConfigError
from backend.worker.context import WorkerContext
from backend.worker.generation import Generation
from backend.worker.references import Lesson, learn

_BATCH = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SyncOutcome:
    """What a sync found: the generation and the tasks it queued, or the reason why there is no reference."""

    model_version: str | None
    labels: int = 0
    queued: int = 0
    reason: str = ""


def sync_project(context: WorkerContext, project_id: int) -> SyncOutcome:
    """Find the project's references, note them, and queue the tasks that lack a prediction made from them.

    Raises:
        SyncBusyError: another sync of the project runs.
        TransientError: Label Studio or an image's server does not answer now.
        PermanentError: Label Studio refuses.
    """
    context.queue.sync_started(project_id)
    with context.queue.sync_lock(project_id) as lock:
        project = context.label_studio.project(project_id)
        _authorise_webhook(context, project_id)
        lesson = _learn(context, project)
        if lesson.generation is None:
            context.progress.set_no_reference(project_id, lesson.reason)
            return SyncOutcome(None, reason=lesson.reason)
        _note(context, lesson.generation, lesson.refusals)
        queued = _queue_unfinished(context, lesson.generation, lock)
    return SyncOutcome(lesson.generation.model_version, len(lesson.generation.references), queued)


def _authorise_webhook(context: WorkerContext, project_id: int) -> None:
    """Give Label Studio's webhook our basic auth: it creates the webhook without."""
    if context.webhook_auth is not None:
        context.label_studio.authorise_webhook(
            project_id, user=context.webhook_auth.user, password=context.webhook_auth.password
        )


def _learn(context: WorkerContext, project: Project) -> Lesson:
    try:
        return learn(context, project)
    except LabelConfigError as exc:
        return Lesson(None, reason=str(exc))


def _note(context: WorkerContext, generation: Generation, refusals: tuple[str, ...]) -> None:
    weak = {reference.label for reference in generation.references if reference.weak}
    small = {reference.label for reference in generation.references if reference.small}
    notes = [
        ReferenceNote(
            *(each.label, each.task_id, each.annotation_id, len(each.masks)),
            weak=each.label in weak,
            small=each.label in small,
        )
        for each in generation.picked
    ]
    context.generations.put(generation)
    context.progress.set_generation(generation.project_id, generation.model_version, notes)
    for refusal in refusals:
        logger.warning("project %d: %s", generation.project_id, refusal)


def _queue_unfinished(context: WorkerContext, generation: Generation, lock: Lock) -> int:
    project_id, version = generation.project_id, generation.model_version
    task_ids = (task.id for task in context.label_studio.iter_unfinished_tasks(project_id, version))
    queued = 0
    for batch in _batches(task_ids, _BATCH):
        queued += context.queue.enqueue_tasks(project_id, version, batch, retry_failed=False)
        with redis_errors():
            lock.reacquire()
    return queued


def _batches(values: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
