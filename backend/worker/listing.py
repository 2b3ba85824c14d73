"""One page of a project's task list, from Label Studio to the pending tasks of its run."""

import logging
from typing import Any

from backend.jobs.payloads import ListTasks
from backend.labelstudio.errors import NotFoundError, PermanentError
from backend.worker.context import JobContext, current_job

logger = logging.getLogger(__name__)


def list_tasks(project_id: int, model_version: str) -> dict[str, Any]:
    """Queue the next page of the tasks that lack a prediction of *model_version*.

    The run remembers how far its list was read. The next page is another job, which the queue makes when few
    tasks of the project are pending: so a hundred thousand tasks hold up nobody and take no memory.
    """
    job, payload = current_job.get(), ListTasks(project_id, model_version)
    cursor = job.worker.runs.cursor(payload.project_id, payload.model_version)
    if cursor is None:
        logger.info("job %s: the list of project %d is not wanted any more", job.job_id, project_id)
        return {}
    try:
        return _list_page(job, payload, cursor)
    except NotFoundError:
        job.worker.progress.forget_project(payload.project_id)
    except PermanentError as exc:
        job.worker.progress.set_error(payload.project_id, str(exc))
        job.worker.runs.fail(payload.project_id, str(exc))
    return {}


def _list_page(job: JobContext, payload: ListTasks, cursor: int) -> dict[str, Any]:
    worker, project_id, version = job.worker, payload.project_id, payload.model_version
    if cursor == 0:
        stored = worker.label_studio.prediction_versions(project_id)
        worker.runs.note_stored(project_id, version, stored.get(version, 0))
    seen_at = worker.runs.now_s()
    page = worker.label_studio.task_page(project_id, after_id=cursor, without_version=version)
    queued = worker.queue.enqueue_tasks(
        project_id, version, [task.id for task in page.tasks], retry_failed=False, seen_at=seen_at
    )
    next_cursor = page.tasks[-1].id if page.tasks else cursor
    worker.runs.note_page(project_id, version, cursor=cursor, next_cursor=next_cursor, left=page.left)
    logger.info(
        "job %s: page of project %d: %d of %d tasks queued, %d left",
        *(job.job_id, project_id, queued, len(page.tasks), page.left),
    )
    return {"queued": queued, "left": page.left}
