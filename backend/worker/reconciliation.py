"""A look at all projects for what was missed: a webhook that never came, a Redis that lost its data."""

import logging
from typing import Any, cast

from backend.jobs.connection import redis_errors
from backend.jobs.keys import OTHERS, OTHERS_SECONDS_TO_LIVE
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import PermanentError
from backend.labelstudio.origin import OUR_VERSIONS
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.surplus import remove_surplus

logger = logging.getLogger(__name__)


def reconcile() -> dict[str, Any]:
    """Queue a sync of every project that is known, and of those whose ML backend we turn out to be.

    A sync finds references that a lost webhook spoke of; its look at the task list finds tasks whose
    prediction is missing or was deleted by hand. Those that have one too many are tidied here.
    """
    job = current_job.get()
    ours = _our_projects(job.worker)
    queued = [each for each in ours if job.worker.queue.enqueue_sync(each)]
    logger.info("job %s: reconciliation: %d projects are looked at", job.job_id, len(queued))
    for project_id in ours:
        _remove_surplus(job, project_id)
    return {"projects": len(queued)}


def _remove_surplus(job: JobContext, project_id: int) -> None:
    try:
        removed = remove_surplus(job.worker, project_id)
    except PermanentError as exc:  # its sync says so, too
        logger.warning("%s", exc)
        return
    if removed:
        logger.info("job %s: project %d: %d tasks had a prediction twice", job.job_id, project_id, removed)


def _our_projects(context: WorkerContext) -> list[int]:
    """Give the projects that are known, and the unknown ones that turn out to be ours.

    To ask makes Label Studio call every ML backend of a project, so others' projects are left alone for a
    day. One that is connected to us meanwhile tells us so itself.
    """
    known = set(context.queue.project_ids())
    with redis_errors():
        others = {int(each) for each in cast("set[bytes]", context.connection.smembers(OTHERS))}
    unknown = [each for each in context.label_studio.project_ids() if each not in known | others]
    ours = [each for each in unknown if _is_ours(context.label_studio, each)]
    _leave_alone(context, set(unknown) - set(ours))
    return sorted([*known, *ours])


def _leave_alone(context: WorkerContext, project_ids: set[int]) -> None:
    if project_ids:
        with redis_errors(), context.connection.pipeline() as pipe:
            pipe.sadd(OTHERS, *project_ids)
            pipe.expire(OTHERS, OTHERS_SECONDS_TO_LIVE)
            pipe.execute()


def _is_ours(label_studio: LabelStudio, project_id: int) -> bool:
    """Whether an ML backend of the project names versions as we do."""
    try:
        return any(version.startswith(OUR_VERSIONS) for version in label_studio.backend_versions(project_id))
    except PermanentError as exc:
        logger.warning("%s", exc)
        return False
