"""What must be at hand before the tasks of a job are predicted."""

from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import FINISHED
from backend.labelstudio.client import Task
from backend.labelstudio.errors import LabelConfigError
from backend.worker.choice import rebuilt
from backend.worker.context import JobContext, WorkerContext
from backend.worker.errors import UntaughtError
from backend.worker.generation import Generation
from backend.worker.ledger import Ledger


def ready_generation(context: WorkerContext, payload: PredictTasks) -> Generation | None:
    """Give the references that the job is to use, or None if the project has others by now.

    A process that did not sync this generation itself rebuilds it from Label Studio, once. If the annotations
    there teach something else than the job says, a sync was missed, and one is queued.

    Raises:
        UntaughtError: what reviews taught it is not kept any more: see ``leave_to_sync``.
        PermanentError: Label Studio refuses.
        TransientError: Label Studio or an image's server does not answer now.
    """
    project_id, version = payload.project_id, payload.model_version
    if context.progress.model_version(project_id) != version:
        return None
    kept = context.generations.get(project_id, version)
    if kept is not None:
        return kept
    if context.known.is_untaught(project_id, version) and context.queue.sync_is_under_way(project_id):
        raise UntaughtError(f"the lessons of project {project_id} are being learned")
    found = _rebuild(context, project_id, version)
    if found is None:
        context.queue.enqueue_sync(project_id)
        return None
    context.generations.put(found)
    return found


def leave_to_sync(context: WorkerContext, payload: PredictTasks) -> bool:
    """Have the project's sync learn again what is lost, for that takes minutes; it is one for all workers.

    Returns:
        Whether a sync was under way already. As a sync ends, waiting for it need not count as an attempt;
        asking for another one does, so that a job whose lessons no sync brings back is given up at last.
    """
    context.known.note_untaught(payload.project_id, payload.model_version)
    if context.queue.sync_is_under_way(payload.project_id):
        return True
    context.queue.enqueue_sync(payload.project_id)
    return False


def _rebuild(context: WorkerContext, project_id: int, version: str) -> Generation | None:
    project = context.label_studio.project(project_id)
    try:
        return rebuilt(context, project, version)
    except LabelConfigError:
        return None  # the sync that follows tells it to the person


def remaining_tasks(job: JobContext, payload: PredictTasks, ledger: Ledger) -> list[Task]:
    """Give the job's tasks that still exist, have no annotation, and were not finished before.

    Tasks that another job carries by now are left out, too.
    """
    worker, project_id = job.worker, payload.project_id
    states = worker.progress.states(project_id, payload.task_ids, job_id=job.job_id)
    todo = [task_id for task_id in payload.task_ids if states.get(task_id, "done") not in FINISHED]
    tasks = worker.label_studio.tasks(project_id, todo) if todo else []
    worker.progress.remove_tasks(project_id, set(todo) - {task.id for task in tasks})
    ledger.skip([task.id for task in tasks if task.is_annotated])
    return [task for task in tasks if not task.is_annotated]
