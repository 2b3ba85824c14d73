"""The job that predicts tasks. What goes wrong in it becomes its outcome here."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

from rq import Retry

from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import TaskProgress
from backend.labelstudio.client import Task
from backend.labelstudio.errors import PermanentError
from backend.worker.context import JobContext, current_job
from backend.worker.errors import TasksLeftError, UntaughtError
from backend.worker.generation import Generation
from backend.worker.interactive import answer_waiting
from backend.worker.ledger import LEFT, Ledger
from backend.worker.predict import compute, images_of, searched_in
from backend.worker.prefetch import Loaded, by_task
from backend.worker.preparation import leave_to_sync, ready_generation, remaining_tasks
from backend.worker.push import Pushes
from backend.worker.retries import AWAIT_SYNC, GIVE_BACK

_GIVEN_BACK = "given back"

logger = logging.getLogger(__name__)


def predict_tasks(project_id: int, model_version: str, task_ids: Sequence[int]) -> dict[str, int] | Retry:
    """Predict the tasks that are not finished yet; give back what is left when the worker is to stop."""
    job, started = current_job.get(), time.monotonic()
    payload = PredictTasks(project_id, model_version, tuple(task_ids))
    ledger = Ledger(job, payload)
    logger.debug("job %s: %d tasks of project %d start", job.job_id, len(payload.task_ids), project_id)
    try:
        _predict(job, payload, ledger)
    except UntaughtError:
        if not leave_to_sync(job.worker, payload):
            raise
        logger.info("job %s: waits for a sync to learn what is lost", job.job_id)
        return AWAIT_SYNC
    finally:
        job.worker.report_cache()
    logger.info("job %s: %s in %.1f s%s", job.job_id, ledger, time.monotonic() - started, ledger.stages)
    counts = ledger.counts
    if counts[_GIVEN_BACK]:
        return GIVE_BACK
    if counts[LEFT]:
        raise TasksLeftError(
            f"{counts[LEFT]} of {len(payload.task_ids)} tasks must wait", retry_after_s=ledger.retry_after_s
        )
    return dict(counts)


def _predict(job: JobContext, payload: PredictTasks, ledger: Ledger) -> None:
    try:
        generation = ready_generation(job.worker, payload)
        tasks = remaining_tasks(job, payload, ledger) if generation else []
    except PermanentError as exc:
        ledger.record([TaskProgress(each, "failed", reason=str(exc)) for each in payload.task_ids])
        return
    if generation is None:
        ledger.note_stale(len(payload.task_ids))
        return
    _predict_each(job, generation, tasks, ledger)


def _predict_each(job: JobContext, generation: Generation, tasks: Sequence[Task], ledger: Ledger) -> None:
    """Compute one task after the other, the next images and the last predictions under way beside it."""
    searched = generation.images(job.worker.output.control)
    loading = images_of(job.worker, lambda task: [each.key for each in searched_in(task, searched)], tasks)
    with Pushes(job, generation, ledger) as pushes, loading as images:
        for index, (task, of_task) in enumerate(by_task(images)):
            if job.stopping():
                ledger.count(_GIVEN_BACK, len(tasks) - index)
                return
            job.begin_part()
            if _is_taken(job, generation, task, ledger):
                computed = None
                with ledger.settling(task.id):
                    computed = compute(job.worker, generation, task, _in_parts(job, of_task))
                if computed is not None:
                    pushes.add(computed)
            if ledger.stale:
                return


def _in_parts(job: JobContext, images: Iterable[Future[Loaded]]) -> Iterator[Future[Loaded]]:
    """Give the images of a task one by one: each has the time of a part, and is preceded by who waits."""
    for image in images:
        answer_waiting(job.worker)
        job.begin_part()
        yield image


def _is_taken(job: JobContext, generation: Generation, task: Task, ledger: Ledger) -> bool:
    """Begin to work on a task, unless another job has it by now, or the generation is older."""
    taken = job.worker.progress.take(generation.project_id, generation.model_version, task.id, job.job_id)
    if taken == "stale":
        ledger.note_stale(1)
    elif taken == "elsewhere":
        ledger.count("elsewhere")
    return taken == "taken"
