"""What follows a run: annotators are shown its predictions, and later the older ones are removed.

Predictions of tasks that a person has annotated stay, whatever their version: Label Studio would forget what
an annotation was made from. Those of a task that somebody has begun to annotate stay, too, and all of them
for a while: it refuses to store what was made of a prediction that is gone.
"""

import logging
from typing import Any

from rq import Retry

from backend.jobs.payloads import ShowGeneration, Tidy
from backend.labelstudio.client import Project
from backend.labelstudio.reviewed_tasks import OUR_VERSIONS
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.retries import GIVE_BACK

TASKS_PER_JOB = 20
SAMPLING = {"sequential": "Sequential sampling", "uncertainty": "Uncertainty sampling"}

logger = logging.getLogger(__name__)


def show_generation(project_id: int, model_version: str) -> dict[str, Any]:
    """Have the label stream show a generation where it shows another one of ours, and set its order.

    A project that shows somebody else's predictions, or none, is left as it is.
    """
    job, payload = current_job.get(), ShowGeneration(project_id, model_version)
    if job.worker.progress.model_version(project_id) != payload.model_version:
        return {}
    changed = _show(job.worker, job.worker.label_studio.project(project_id), payload.model_version)
    logger.info("job %s: project %d: %s", job.job_id, project_id, changed or "shown as it was")
    return changed


def _show(context: WorkerContext, project: Project, version: str) -> dict[str, str]:
    """Show the generation and note it; gives what was changed.

    While nothing is predicted there is nothing to show: Label Studio wants a version that it holds.
    """
    if version not in context.label_studio.prediction_versions(project.id):
        return {}
    changed = {}
    if project.model_version != version and _shows_ours(context, project):
        changed["model_version"] = version
    if context.sampling is not None and project.sampling != SAMPLING[context.sampling]:
        changed["sampling"] = SAMPLING[context.sampling]
    if changed:
        context.label_studio.change_project(project.id, **changed)
    context.finishing.note_shown(project.id, version)
    return changed


def _shows_ours(context: WorkerContext, project: Project) -> bool:
    """Whether annotators are shown predictions of ours: by their version, or by the title of our backend."""
    return project.model_version.startswith(OUR_VERSIONS) or any(
        backend.title == project.model_version and backend.model_version.startswith(OUR_VERSIONS)
        for backend in context.label_studio.ml_backends(project.id)
        if project.model_version
    )


def tidy(project_id: int, model_version: str, after_id: int) -> dict[str, Any] | Retry:
    """Remove older predictions of ours from the next few tasks that have one of *model_version*."""
    job, payload = current_job.get(), Tidy(project_id, model_version, after_id)
    if job.stopping():
        return GIVE_BACK
    if job.worker.progress.model_version(project_id) != payload.model_version:
        return {}
    removed = _tidy(job, payload)
    logger.info("job %s: project %d: %d older predictions removed", job.job_id, project_id, removed)
    return {"removed": removed}


def _tidy(job: JobContext, payload: Tidy) -> int:
    label_studio, project_id = job.worker.label_studio, payload.project_id
    old = [
        version
        for version in label_studio.prediction_versions(project_id)
        if version.startswith(OUR_VERSIONS) and version != payload.model_version
    ]
    tasks = (
        label_studio.untouched_tasks(
            project_id, with_version=payload.model_version, after_id=payload.after_id, limit=TASKS_PER_JOB
        )
        if old
        else []
    )
    held = {task.id: task.model_versions for task in label_studio.tasks(project_id, tasks)} if tasks else {}
    removed = sum(
        label_studio.delete_predictions(task_id, version)
        for task_id, versions in held.items()
        for version in sorted(versions.intersection(old))
    )
    if tasks:
        job.worker.finishing.enqueue_tidying(project_id, payload.model_version, after_id=tasks[-1])
    else:
        job.worker.finishing.note_tidied(project_id, payload.model_version)
    return removed
