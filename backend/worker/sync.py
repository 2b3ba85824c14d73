"""One sync: from a project's annotations to its generation, and a run over its unfinished tasks.

Twice changes nothing.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rq import Retry

from backend.jobs.generations import Wishes
from backend.jobs.payloads import SyncProject
from backend.jobs.progress import ReferenceNote
from backend.labelstudio.client import Project
from backend.labelstudio.errors import (
    LabelConfigError,
    NotFoundError,
    PermanentError,
    RequestRefusedError,
    TokenRefusedError,
)
from backend.worker.agreement import note_agreement
from backend.worker.amid_sync import AmidSync
from backend.worker.choice import wanted
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.errors import GivenBackError
from backend.worker.evidence import next_due
from backend.worker.generation import Generation
from backend.worker.references import Lesson
from backend.worker.retries import GIVE_BACK

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SyncOutcome:
    """What a sync found: the generation, or the reason why there is no reference."""

    model_version: str | None
    labels: int = 0
    reason: str = ""


def sync_project(project_id: int) -> dict[str, Any] | Retry:
    """Find the project's references, and have its unfinished tasks predicted; give it back to stop."""
    job, payload, started = current_job.get(), SyncProject(project_id), time.monotonic()
    logger.debug("job %s: sync of project %d starts", job.job_id, payload.project_id)
    try:
        outcome = _sync_or_explain(job, payload)
    except GivenBackError as exc:
        logger.info("job %s: sync of project %d is given back: %s", job.job_id, payload.project_id, exc)
        again = job.worker.queue.sync_deferred(payload.project_id, job.job_id)
        return GIVE_BACK if again else {"model_version": None}
    logger.info(
        "job %s: sync of project %d: %s, %d labels in %.1f s",
        *(job.job_id, payload.project_id, outcome.model_version or outcome.reason),
        *(outcome.labels, time.monotonic() - started),
    )
    return {"model_version": outcome.model_version}


def _sync_or_explain(job: JobContext, payload: SyncProject) -> SyncOutcome:
    try:
        return sync(job.worker, payload.project_id, job=job)
    except NotFoundError as exc:
        job.worker.progress.forget_project(payload.project_id)
        return SyncOutcome(None, reason=str(exc))
    except PermanentError as exc:
        job.worker.progress.set_error(payload.project_id, str(exc))
        job.worker.runs.fail(payload.project_id, str(exc))
        return SyncOutcome(None, reason=str(exc))


def sync(context: WorkerContext, project_id: int, *, job: JobContext | None = None) -> SyncOutcome:
    """Find the project's references, note them, and begin the run over the tasks that lack their predictions.

    Args:
        context: of the worker.
        project_id: the project.
        job: what this is an attempt of; None: of none, and nothing stops it.

    Raises:
        GivenBackError: the process is to end before this is done.
        SyncBusyError: another sync of the project runs.
        TransientError: Label Studio or an image's server does not answer now.
        PermanentError: Label Studio refuses.
    """
    job = job or JobContext(context, "", attempts_left=0, stopping=lambda: False)
    context.queue.sync_started(project_id)
    with context.queue.sync_lock(project_id, job_id=job.job_id) as lock:
        project = context.label_studio.project(project_id)
        context.progress.set_title(project_id, project.title)
        _look_after_webhook(context, project_id)
        wishes = context.known.wishes(project_id)
        step = AmidSync(job, lock)
        lesson = _learn(context, project, wishes, step)
        context.known.note_missing(project_id, next_due(lesson.reviewed, context.learning))
        if lesson.generation is None:
            context.progress.set_no_reference(project_id, lesson.reason)
            if context.warm_up:
                context.warm_ups.start(project_id, once=True)
            outcome = SyncOutcome(None, reason=lesson.reason)
        else:
            _note(context, lesson.generation, lesson)
            if wishes.asked:
                context.known.note_learned(project_id, wishes, lesson.reviewed)
            context.runs.begin_listing(project_id, lesson.generation.model_version)
            outcome = SyncOutcome(lesson.generation.model_version, len(lesson.generation.references))
        note_agreement(context, project, step=step)
    return outcome


def _look_after_webhook(context: WorkerContext, project_id: int) -> None:
    """Have Label Studio's webhook there, and send our basic auth: Label Studio creates it without.

    Without basic auth events may come all the same, so that a user who may not change webhooks is no error.
    """
    auth = context.webhook_auth
    try:
        context.label_studio.look_after_webhook(
            project_id, user=auth.user if auth else "", password=auth.password if auth else ""
        )
    except (RequestRefusedError, TokenRefusedError) as exc:
        if auth is not None:
            raise
        logger.warning("project %d: %s", project_id, exc)


def _learn(context: WorkerContext, project: Project, wishes: Wishes, step: Callable[[], object]) -> Lesson:
    try:
        return wanted(context, project, wishes, step=step)
    except LabelConfigError as exc:
        return Lesson(None, reason=str(exc))


def _note(context: WorkerContext, generation: Generation, lesson: Lesson) -> None:
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
    context.progress.set_generation(
        generation.project_id, generation.model_version, notes, refusals=lesson.passed_over
    )
    context.known.keep(
        *(generation.project_id, generation.model_version),
        references=[(each.label, each.annotation_id) for each in generation.picked],
        evidence=generation.evidence,
        reviewed=lesson.reviewed,
        seen=lesson.seen,
        tasks=lesson.tasks,
        in_vain=lesson.in_vain,
    )
    context.pictures.put_references(generation.project_id, generation.pictures)
    for refusal in (*lesson.passed_over, *lesson.unlearned):
        logger.warning("project %d: %s", generation.project_id, refusal)
