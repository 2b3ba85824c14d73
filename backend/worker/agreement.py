"""Counts what people kept of the predictions, after each sync.

Only the tasks are read that changed since the last one: to Label Studio, a list of tasks is as much work as
all that is in them.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backend.jobs.agreement import (
    Agreements,
    Cursor,
    GenerationAgreement,
    TaskAgreement,
    by_generation,
    review_agreement,
)
from backend.labelstudio.client import Project
from backend.labelstudio.errors import LabelConfigError, LabelStudioError, RegionError, RleError
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.review import Review, compare
from backend.labelstudio.reviewed_tasks import AT_ONCE, task_reviews
from backend.worker.context import WorkerContext

logger = logging.getLogger(__name__)

AT_ONCE_S = 20.0  # then other work has its turn, and another sync goes on
_OVERLAP = timedelta(seconds=10)
_CHECKED_AT_ONCE = 100


def note_agreement(
    context: WorkerContext,
    project: Project,
    *,
    at_once_s: float = AT_ONCE_S,
    step: Callable[[], object] = lambda: None,
) -> None:
    """Count the reviews of the tasks that changed; if they are many, have another sync go on with them.

    Figures for people are no reason for a sync to fail: what goes wrong here is tried again by the next one.

    Args:
        context: of the worker.
        project: whose reviews are counted.
        at_once_s: seconds after which the rest is left to another sync.
        step: called before each task is compared: the work goes on.
    """
    agreements = Agreements(context.connection)
    try:
        is_complete = _count(context, project, agreements, at_once_s, step)
    except LabelStudioError as exc:
        logger.warning("project %d: its reviews are not counted now: %s", project.id, exc)
        return
    if not is_complete:
        context.queue.enqueue_sync(project.id)


def _count(
    context: WorkerContext,
    project: Project,
    agreements: Agreements,
    at_once_s: float,
    step: Callable[[], object],
) -> bool:
    """Count what there is time for, and give whether that is all."""
    count, newest = context.label_studio.last_reviewable(project.id)
    known = agreements.task_ids(project.id)
    cursor = agreements.cursor(project.id) if known else Cursor()
    if not cursor.newest:
        if cursor.since == newest and len(known) == count:
            return True
        cursor = replace(cursor, newest=newest)
    is_complete = _read(context, project, agreements, cursor, at_once_s, step)
    known = agreements.task_ids(project.id)
    if is_complete and len(known) > count:
        agreements.forget(project.id, _gone(context, project.id, sorted(known)))
    agreements.add_up(project.id)
    return is_complete


def _read(
    context: WorkerContext,
    project: Project,
    agreements: Agreements,
    cursor: Cursor,
    at_once_s: float,
    step: Callable[[], object],
) -> bool:
    """Read the tasks that changed while there is time, at least one, and give whether these are all."""
    began, controls, since = time.monotonic(), _controls(project), _overlapping(cursor.since)
    while True:
        page = context.label_studio.reviewable_tasks(
            project.id, since=since, after_id=cursor.after_id, limit=AT_ONCE
        )
        found = []
        for task in page:
            step()
            found.append(_task_agreement(int(task["id"]), task_reviews(task), controls))
            if time.monotonic() - began > at_once_s:
                break
        is_last = len(found) == len(page) < AT_ONCE
        cursor = Cursor(since=cursor.newest) if is_last else replace(cursor, after_id=found[-1].task_id)
        agreements.put(project.id, found, cursor)
        if is_last or time.monotonic() - began > at_once_s:
            return is_last


def _overlapping(since: str) -> str:
    """A little earlier: a change can be seen only when its transaction ends."""
    if not since:
        return ""
    return (datetime.fromisoformat(since).astimezone(UTC) - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _gone(context: WorkerContext, project_id: int, task_ids: Sequence[int]) -> set[int]:
    """Give those of the tasks that have no reviews any more: they were deleted, or their annotations were."""
    gone: set[int] = set()
    for start in range(0, len(task_ids), _CHECKED_AT_ONCE):
        some = task_ids[start : start + _CHECKED_AT_ONCE]
        gone |= set(some) - context.label_studio.still_reviewable(project_id, some)
    return gone


def _controls(project: Project) -> tuple[Control, ...]:
    try:
        return image_controls(project.label_config)
    except LabelConfigError:
        return ()  # the sync says so


def _task_agreement(task_id: int, reviews: list[Review], controls: tuple[Control, ...]) -> TaskAgreement:
    generations: list[GenerationAgreement] = []
    problem = ""
    for review in reviews:
        try:
            regions = compare(review, controls)
        except (RegionError, RleError) as exc:
            problem = f"annotation {review.annotation_id} of task {task_id}: {exc}"
        else:
            generations.append(review_agreement(review.model_version, review.prediction_id, regions))
    return TaskAgreement(task_id, by_generation(generations), problem)
