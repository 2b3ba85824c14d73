"""What the status page says about a job that raised, or whose worker was lost."""

import logging
from collections.abc import Mapping

from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException

from backend.jobs.errors import SyncBusyError
from backend.jobs.interactive import ANSWER
from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import BlameReasons, TaskProgress, TaskState
from backend.jobs.queue import PREDICT_QUEUES, WARM_UP_QUEUE
from backend.worker.context import WorkerContext

_SET_ASIDE_LOST = (
    "its worker was lost twice while it worked on this task: killed, out of memory, or its machine is gone; "
    "the task is set aside, try it again on a machine with more memory"
)
_SET_ASIDE_LATE = (
    "it did not end in time (ONESHOT_TASK_TIMEOUT_S) for the second time; the task is set aside, look at its "
    "image or allow it more time"
)

logger = logging.getLogger(__name__)


def note_failure(context: WorkerContext, job: Job, error: BaseException, *, outage: bool = False) -> None:
    """Note on the status page that an attempt of *job* failed, why, and whether there will be another.

    Called in the worker that ran the job, or in the one that found it abandoned.

    Args:
        context: of that worker.
        job: with the attempts it has left.
        error: what it raised.
        outage: Label Studio is down, and the job waits for it.
    """
    if job.func_name == ANSWER:
        return  # whoever waited for it has been told that nothing was found
    if job.origin in PREDICT_QUEUES:
        _note_tasks(context, job, error, outage=outage)
    elif job.kwargs.get("project_id") is not None:
        _note_project(context, job, error, outage=outage)


def _note_project(context: WorkerContext, job: Job, error: BaseException, *, outage: bool) -> None:
    project_id = int(job.kwargs["project_id"])
    if _is_sync(job.kwargs) and _tried_again(job):
        context.queue.sync_deferred(project_id, job.id)
    if not isinstance(error, SyncBusyError):
        context.progress.set_error(project_id, _reason(job, error, outage=outage))
    if _is_sync(job.kwargs) and not _tried_again(job):
        context.runs.fail(project_id, _reason(job, error, outage=outage))
    if job.origin == WARM_UP_QUEUE and "token" in job.kwargs and not _tried_again(job):
        context.warm_ups.give_up(project_id, str(job.kwargs["token"]))


def _is_sync(kwargs: Mapping[str, object]) -> bool:
    return set(kwargs) == {"project_id"}


def _note_tasks(context: WorkerContext, job: Job, error: BaseException, *, outage: bool) -> None:
    payload = PredictTasks(**job.kwargs)
    if isinstance(error, (AbandonedJobError, JobTimeoutException)):
        _blame(context, job, payload, error)
        return
    reason = _reason(job, error, outage=outage)
    states = context.progress.states(payload.project_id, payload.task_ids, job_id=job.id)
    changed = [
        TaskProgress(task_id, new_state, reason=reason)
        for task_id, state in states.items()
        if (new_state := _new_state(job, state)) is not None
    ]
    if changed:
        context.progress.record_many(payload.project_id, payload.model_version, changed)


def _blame(context: WorkerContext, job: Job, payload: PredictTasks, error: BaseException) -> None:
    """Blame a task for the worker that was lost, or the time that is over; then that costs no attempt."""
    told = explain(error)
    blame = context.progress.blame(
        *(payload.project_id, payload.model_version, payload.task_ids),
        job_id=job.id,
        tried_again=_tried_again(job),
        reasons=BlameReasons(
            again=f"{told}; it is tried again",
            given_up=f"{told}; it was tried often enough",
            set_aside=_SET_ASIDE_LATE if isinstance(error, JobTimeoutException) else _SET_ASIDE_LOST,
        ),
    )
    if blame.task_id is not None:
        job.retries_left = (job.retries_left or 0) + 1
    if blame.is_set_aside:
        logger.warning("job %s: task %d is set aside: %s", job.id, blame.task_id, told)


def _new_state(job: Job, state: TaskState) -> TaskState | None:
    """Give the state that follows *state*, or None if the failed attempt does not change it."""
    if state not in ("queued", "processing"):
        return None
    if not _tried_again(job):
        return "failed"
    return "queued" if state == "processing" else None


def _tried_again(job: Job) -> bool:
    return bool(job.retries_left)


def _reason(job: Job, error: BaseException, *, outage: bool) -> str:
    if outage:
        return explain(error) + "; it goes on when Label Studio answers"
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
