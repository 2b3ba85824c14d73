"""A look at all projects for what was missed: a webhook that never came, a Redis that lost its data."""

import logging
from typing import Any, cast

from backend.jobs.connection import redis_errors
from backend.jobs.keys import PROJECTS
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import PermanentError
from backend.worker.context import WorkerContext, current_job

_OUR_VERSIONS = "oneshot-"

logger = logging.getLogger(__name__)


def reconcile() -> dict[str, Any]:
    """Queue a sync of every project that is known, and of those whose ML backend we turn out to be.

    A sync finds references that a lost webhook spoke of; its look at the task list finds tasks whose
    prediction is missing or was deleted by hand.
    """
    job = current_job.get()
    queued = [each for each in _our_projects(job.worker) if job.worker.queue.enqueue_sync(each)]
    logger.info("job %s: reconciliation: %d projects are looked at", job.job_id, len(queued))
    return {"projects": len(queued)}


def _our_projects(context: WorkerContext) -> list[int]:
    with redis_errors():
        known = {int(each) for each in cast("list[bytes]", context.connection.zrange(PROJECTS, 0, -1))}
    unknown = [each for each in context.label_studio.project_ids() if each not in known]
    return sorted(known | {each for each in unknown if _is_ours(context.label_studio, each)})


def _is_ours(label_studio: LabelStudio, project_id: int) -> bool:
    """Whether an ML backend of the project names versions as we do."""
    try:
        return any(version.startswith(_OUR_VERSIONS) for version in label_studio.backend_versions(project_id))
    except PermanentError as exc:
        logger.warning("%s", exc)
        return False
