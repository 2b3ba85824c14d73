"""Counts what people kept of the predictions, after each sync: only the tasks that changed since the last."""

import logging
import time

from backend.jobs.agreement import (
    Agreements,
    GenerationAgreement,
    TaskAgreement,
    by_generation,
    review_agreement,
)
from backend.labelstudio.client import Project
from backend.labelstudio.errors import LabelConfigError, RegionError, RleError
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.review import Review, compare
from backend.labelstudio.reviewed_tasks import iter_reviews, reviewed_tasks
from backend.worker.context import WorkerContext

logger = logging.getLogger(__name__)

AT_ONCE_S = 10.0  # then other work has its turn, and another sync goes on


def note_agreement(context: WorkerContext, project: Project, *, at_once_s: float = AT_ONCE_S) -> None:
    """Count the reviews of the tasks that changed; if they are many, have another sync go on with them.

    Args:
        context: of the worker.
        project: whose reviews are counted.
        at_once_s: seconds after which the rest is left to another sync.

    Raises:
        TransientError: Label Studio does not answer now.
    """
    agreements = Agreements(context.connection)
    counted = agreements.changes(project.id)
    tasks = reviewed_tasks(context.label_studio, project.id)
    changed = [task_id for task_id, at in tasks.items() if counted.get(task_id) != at]
    gone = counted.keys() - tasks.keys()
    found, is_complete = _task_agreements(
        context, project, {each: tasks[each] for each in changed}, at_once_s
    )
    if found or gone:
        agreements.put(project.id, found, gone=gone)
        logger.info(
            "project %d: reviews of %d of %d changed tasks counted", project.id, len(found), len(changed)
        )
    if not is_complete:
        context.queue.enqueue_sync(project.id)


def _task_agreements(
    context: WorkerContext, project: Project, changed_at: dict[int, str], at_once_s: float
) -> tuple[list[TaskAgreement], bool]:
    """Count as many as there is time for; also whether these are all."""
    began, controls = time.monotonic(), _controls(project)
    found = []
    for task_id, reviews in iter_reviews(context.label_studio, project.id, list(changed_at)):
        found.append(_task_agreement(task_id, changed_at[task_id], reviews, controls))
        if len(found) < len(changed_at) and time.monotonic() - began > at_once_s:
            return found, False
    return found, True


def _controls(project: Project) -> tuple[Control, ...]:
    try:
        return image_controls(project.label_config)
    except LabelConfigError:
        return ()  # the sync says so


def _task_agreement(
    task_id: int, changed_at: str, reviews: list[Review], controls: tuple[Control, ...]
) -> TaskAgreement:
    generations: list[GenerationAgreement] = []
    problem = ""
    for review in reviews:
        try:
            regions = compare(review, controls)
        except (RegionError, RleError) as exc:
            problem = f"annotation {review.annotation_id} of task {task_id}: {exc}"
        else:
            generations.append(review_agreement(review.model_version, review.prediction_id, regions))
    return TaskAgreement(task_id, changed_at, by_generation(generations), problem)
