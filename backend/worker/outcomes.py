"""What the status page says about a job that raised, or whose worker was lost."""

from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException

from backend.jobs.errors import SyncBusyError
from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import TaskProgress, TaskState
from backend.jobs.queue import PREDICT_QUEUE
from backend.worker.context import WorkerContext


def note_failure(context: WorkerContext, job: Job, error: BaseException) -> None:
    """Note on the status page that an attempt of *job* failed, why, and whether there will be another.

    Called in the worker that ran the job, or in the one that found it abandoned.
    """
    if job.origin == PREDICT_QUEUE:
        _note_tasks(context, job, error)
    else:
        _note_sync(context, job, error)


def _note_sync(context: WorkerContext, job: Job, error: BaseException) -> None:
    project_id = int(job.kwargs["project_id"])
    if _tried_again(job):
        context.queue.sync_deferred(project_id, job.id)
    if not isinstance(error, SyncBusyError):
        context.progress.set_error(project_id, _reason(job, error))


def _note_tasks(context: WorkerContext, job: Job, error: BaseException) -> None:
    payload = PredictTasks(**job.kwargs)
    states = context.progress.states(payload.project_id, payload.task_ids)
    for task_id, state in states.items():
        new_state = _new_state(job, state, error)
        if new_state is not None:
            task = TaskProgress(task_id, new_state, reason=_reason(job, error))
            context.progress.record(payload.project_id, payload.model_version, task)


def _new_state(job: Job, state: TaskState, error: BaseException) -> TaskState | None:
    """Give the state that follows *state*, or None if the failed attempt does not change it."""
    if state == "processing" and isinstance(error, JobTimeoutException):
        return "failed"  # this task took the time; the others get another attempt
    if state not in ("queued", "processing"):
        return None
    if not _tried_again(job):
        return "failed"
    return "queued" if state == "processing" else None


def _tried_again(job: Job) -> bool:
    return bool(job.retries_left)


def _reason(job: Job, error: BaseException) -> str:
    then = "; it is tried again" if _tried_again(job) else "; it was tried often enough"
    return explain(error) + then


def explain(error: BaseException) -> str:
    """Say an error for a person: our own messages as they are, foreign ones with their kind."""
    if isinstance(error, AbandonedJobError):
        return "the worker was lost in the middle of the job: killed, out of memory, or its machine is gone"
    if isinstance(error, JobTimeoutException):
        return "the job took longer than it may"
    if type(error).__module__.startswith("backend."):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"
