"""The jobs, as the queue names them. What goes wrong in one becomes its outcome here."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError
from rq import Retry
from rq.timeouts import JobTimeoutException

from backend.jobs.errors import JobsError
from backend.jobs.payloads import PredictTasks, SyncProject
from backend.jobs.progress import TaskProgress, TaskState
from backend.labelstudio.client import Task
from backend.labelstudio.errors import NotFoundError, PermanentError, TransientError
from backend.vision.errors import VisionError
from backend.worker import sync
from backend.worker.context import JobContext, current_job
from backend.worker.errors import PushBusyError, StaleGenerationError, TasksLeftError
from backend.worker.generation import Generation
from backend.worker.outcomes import explain
from backend.worker.predict import TaskOutcome, predict_task
from backend.worker.preparation import ready_generation, remaining_tasks

_GIVE_BACK = Retry(max=1_000_000, interval=0, enqueue_at_front=True)
_STALE = "of an older generation"

logger = logging.getLogger(__name__)


def sync_project(project_id: int) -> dict[str, Any]:
    """Find the project's references and queue its unfinished tasks."""
    job, payload, started = current_job.get(), SyncProject(project_id), time.monotonic()
    logger.info("job %s: sync of project %d starts", job.job_id, payload.project_id)
    outcome = _sync(job, payload)
    logger.info(
        "job %s: sync of project %d: %s, %d labels, %d tasks queued in %.1f s",
        *(job.job_id, payload.project_id, outcome.model_version or outcome.reason),
        *(outcome.labels, outcome.queued, time.monotonic() - started),
    )
    return {"model_version": outcome.model_version, "queued": outcome.queued}


def _sync(job: JobContext, payload: SyncProject) -> sync.SyncOutcome:
    try:
        return sync.sync_project(job.worker, payload.project_id)
    except NotFoundError as exc:
        job.worker.progress.forget_project(payload.project_id)
        return sync.SyncOutcome(None, reason=str(exc))
    except PermanentError as exc:
        job.worker.progress.set_error(payload.project_id, str(exc))
        return sync.SyncOutcome(None, reason=str(exc))


def predict_tasks(project_id: int, model_version: str, task_ids: Sequence[int]) -> dict[str, int] | Retry:
    """Predict the tasks that are not finished yet; give back what is left when the worker is to stop."""
    job, started = current_job.get(), time.monotonic()
    payload = PredictTasks(project_id, model_version, tuple(task_ids))
    logger.info("job %s: %d tasks of project %d start", job.job_id, len(payload.task_ids), project_id)
    counts = _predict(job, payload)
    told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing to do"
    logger.info("job %s: %s in %.1f s", job.job_id, told, time.monotonic() - started)
    if counts["given back"]:
        return _GIVE_BACK
    if counts["left"]:
        raise TasksLeftError(f"{counts['left']} of {len(payload.task_ids)} tasks must wait")
    return dict(counts)


def _predict(job: JobContext, payload: PredictTasks) -> Counter[str]:
    try:
        generation = ready_generation(job.worker, payload)
        tasks = remaining_tasks(job.worker, payload) if generation else []
    except PermanentError as exc:
        return Counter(_record(job, payload, task_id, "failed", str(exc)) for task_id in payload.task_ids)
    if generation is None:
        return Counter({_STALE: len(payload.task_ids)})
    return _predict_each(job, payload, generation, tasks)


def _predict_each(
    job: JobContext, payload: PredictTasks, generation: Generation, tasks: Sequence[Task]
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for index, task in enumerate(tasks):
        if job.stopping():
            return counts + Counter({"given back": len(tasks) - index})
        counts[_predict_one(job, payload, generation, task)] += 1
    return counts


def _predict_one(job: JobContext, payload: PredictTasks, generation: Generation, task: Task) -> str:
    """Predict one task and give its state, in words. What is wrong with it alone does not stop the others."""
    if _record(job, payload, task.id, "processing") == _STALE:
        return _STALE
    try:
        outcome = predict_task(job.worker, generation, task)
    except (JobsError, JobTimeoutException, RedisError):
        raise  # the next task would fare no better
    except StaleGenerationError:
        return _STALE
    except (TransientError, PushBusyError) as exc:
        if not job.attempts_left:
            return _record(job, payload, task.id, "failed", str(exc))
        _record(job, payload, task.id, "queued", str(exc))
        return "left"
    except (PermanentError, VisionError) as exc:
        return _record(job, payload, task.id, "failed", str(exc))
    except Exception as exc:  # a bug that one image meets must not hold up the others
        logger.exception("job %s: task %d of project %d", job.job_id, task.id, payload.project_id)
        return _record(job, payload, task.id, "failed", explain(exc))
    return _record_found(job, payload, task.id, outcome)


def _record_found(job: JobContext, payload: PredictTasks, task_id: int, outcome: TaskOutcome) -> str:
    task = TaskProgress(
        *(task_id, "done" if outcome.instances else "empty"),
        instances=outcome.instances,
        confidence=outcome.confidence,
        seconds=round(outcome.seconds, 3),
        limits=outcome.limits,
    )
    job.worker.progress.record(payload.project_id, payload.model_version, task)
    return f"{task.state} at a bound" if task.limits else task.state


def _record(
    job: JobContext, payload: PredictTasks, task_id: int, state: TaskState, reason: str | None = None
) -> str:
    """Note the state of a task, and give it, or that the project has moved on to another generation."""
    task = TaskProgress(task_id, state, reason=reason)
    current = job.worker.progress.record(payload.project_id, payload.model_version, task)
    return state if current else _STALE
