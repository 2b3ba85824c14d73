"""What a sync does amid its work: learning may take minutes, and no other worker may be there.

Who points at something is answered; what somebody has opened is predicted, if no other worker does it; and a
process that is to end ends.
"""

import logging
from contextlib import suppress
from dataclasses import replace

from redis.lock import Lock
from rq import Retry
from rq.exceptions import NoSuchJobError
from rq.job import Job

from backend.jobs.connection import redis_errors
from backend.jobs.errors import JobsError
from backend.jobs.queue import OPENED_QUEUE, PREDICT_TASKS
from backend.jobs.request_id import for_request
from backend.labelstudio.errors import LabelStudioError
from backend.worker.context import JobContext, current_job
from backend.worker.errors import GivenBackError, WorkerError
from backend.worker.interactive import answer_waiting
from backend.worker.tasks import predict_tasks

logger = logging.getLogger(__name__)


class AmidSync:
    """Called between two steps of a sync.

    Args:
        job: the sync.
        lock: its lock. Another process takes it over from one that is silent for too long.
    """

    def __init__(self, job: JobContext, lock: Lock) -> None:
        self._job = job
        self._lock = lock
        self._left: set[str] = set()  # jobs that did not succeed, and wait for their turn

    def __call__(self) -> None:
        """Do what is urgent.

        Raises:
            GivenBackError: the process was asked to end.
        """
        if self._job.stopping():
            raise GivenBackError("the worker was asked to end")
        answer_waiting(self._job.worker)
        self._keep_lock()
        if self._job.worker.queue.workers() > 1:
            return  # others take such jobs themselves
        opened = self._opened()
        if opened is not None:
            self._predict(opened)

    def _keep_lock(self) -> None:
        with redis_errors():
            self._lock.reacquire()

    def _opened(self) -> Job | None:
        """Give the next job of the tasks that somebody has opened."""
        queue = self._job.worker.queue.queue(OPENED_QUEUE)
        with redis_errors():
            for job_id in queue.get_job_ids():
                with suppress(NoSuchJobError):
                    job = queue.job_class.fetch(job_id, queue.connection, serializer=queue.serializer)
                    if job_id not in self._left and job.func_name == PREDICT_TASKS:
                        return job
        return None

    def _predict(self, opened: Job) -> None:
        """Predict; the job stays on the queue until it is done, so that it is not lost with this worker."""
        request_id = opened.meta.get("request_id")
        own = replace(
            self._job,
            job_id=opened.id,
            attempts_left=max(1, opened.retries_left or 0),  # this one does not count
            request_id=request_id,
            begin_part=self._keep_lock,
        )
        token, done = current_job.set(own), False
        try:
            with for_request(request_id):
                done = not isinstance(predict_tasks(**opened.kwargs), Retry)
        except (LabelStudioError, JobsError, WorkerError) as exc:
            logger.warning("job %s: %s; it waits for its turn", opened.id, exc)
        finally:
            current_job.reset(token)
        if not done:
            self._left.add(opened.id)
            return
        queue = self._job.worker.queue.queue(OPENED_QUEUE)
        with redis_errors():
            if queue.connection.lrem(queue.key, 1, opened.id):  # else a worker that is free has it by now
                opened.delete(remove_from_queue=False)
