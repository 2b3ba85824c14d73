"""What follows a run: annotators are shown its predictions, and later the older ones are removed.

Predictions of tasks that a person has annotated stay, whatever their version: Label Studio would forget what
an annotation was made from. Those of a task that somebody has begun to annotate stay, too, and all of them
for a while: it refuses to store what was made of a prediction that is gone.
"""

import logging
from typing import Any

from rq import Retry

from backend.jobs.finishing import Finished
from backend.jobs.payloads import ShowGeneration, Tidy
from backend.labelstudio.client import Project
from backend.labelstudio.origin import OUR_VERSIONS
from backend.worker.context import WorkerContext, current_job
from backend.worker.retries import GIVE_BACK

TASKS_PER_JOB = 20
SAMPLING = {"sequential": "Sequential sampling", "uncertainty": "Uncertainty sampling"}

logger = logging.getLogger(__name__)


def show_generation(project_id: int, model_version: str) -> dict[str, Any]:
    """Have the label stream show a generation where it shows another one of ours, and set its order.

    A project that shows somebody else's predictions, or is not to show any, is left as it is.
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
    """Whether annotators are shown predictions of ours: by their version, or by the title of our backend.

    Where they are to begin with predictions, and nobody has chosen which, they would be shown none.
    """
    if not project.model_version:
        return project.prelabels
    return project.model_version.startswith(OUR_VERSIONS) or any(
        backend.title == project.model_version and backend.model_version.startswith(OUR_VERSIONS)
        for backend in context.label_studio.ml_backends(project.id)
    )


def tidy(project_id: int, model_version: str, after_id: int) -> dict[str, Any] | Retry:
    """Remove older predictions of ours from the next few tasks that have one of *model_version*."""
    job, payload = current_job.get(), Tidy(project_id, model_version, after_id)
    if job.stopping():
        return GIVE_BACK
    finished = job.worker.finishing.finished(project_id)
    if finished is None or finished.model_version != payload.model_version:
        return {}
    removed = _tidy(job.worker, finished, payload.after_id)
    logger.info("job %s: project %d: %d older predictions removed", job.job_id, project_id, removed)
    return {"removed": removed}


def _tidy(context: WorkerContext, finished: Finished, after_id: int) -> int:
    """Go through some tasks, and have the next ones gone through; gives how many predictions were removed."""
    label_studio, (project_id, version) = context.label_studio, (finished.project_id, finished.model_version)
    stored = label_studio.prediction_versions(project_id)
    old = [each for each in stored if each.startswith(OUR_VERSIONS) and each != version]
    tasks = (
        label_studio.untouched_tasks(project_id, with_version=version, after_id=after_id, limit=TASKS_PER_JOB)
        if old
        else []
    )
    held = label_studio.tasks(project_id, tasks) if tasks else []
    removed = sum(
        label_studio.delete_predictions(task.id, each)
        for task in held
        for each in sorted(task.model_versions.intersection(old))
    )
    if tasks:
        context.finishing.enqueue_tidying(finished, after_id=tasks[-1])
    else:
        context.finishing.note_tidied(project_id, version)
    return removed
