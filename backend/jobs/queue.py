"""The queue: what the web process and the syncs put on it, and what a worker does around a sync."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from redis import Redis
from redis.lock import Lock
from rq import Queue, Retry
from rq.job import Job
from rq.queue import EnqueueData
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer

from backend.jobs import scripts
from backend.jobs.connection import redis_errors
from backend.jobs.errors import SyncBusyError
from backend.jobs.keys import SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.payloads import PredictTasks, SyncProject

SYNC_QUEUE = "oneshot-sync"
PREDICT_QUEUE = "oneshot-predict"
QUEUE_NAMES = (SYNC_QUEUE, PREDICT_QUEUE)  # in the order in which workers serve them

_SYNC_PROJECT = "backend.worker.tasks.sync_project"
_PREDICT_TASKS = "backend.worker.tasks.predict_tasks"
_SYNC_TIMEOUT_S = 30 * 60
_TASK_TIMEOUT_S = 10 * 60  # the largest checkpoint on a slow CPU, with many instances
_RESULT_TTL_S = 5 * 60
_FAILURE_TTL_S = 7 * 24 * 3600
_PAUSES_S = [5, 15, 30, 60, 120, 300, 600]  # between the attempts of a job that raised: 19 minutes in all
_LOCK_S = 120
_TASKS_PER_SCRIPT = 500


class JobQueue:
    """Puts work on the queue, once.

    Args:
        connection: as ``connect`` returns it.
        tasks_per_job: most tasks in one ``predict_tasks`` job.
    """

    def __init__(self, connection: Redis, *, tasks_per_job: int = 4) -> None:
        self._connection = connection
        self._tasks_per_job = tasks_per_job
        self._claim_sync = connection.register_script(scripts.CLAIM_SYNC)
        self._claim_tasks = connection.register_script(scripts.CLAIM_TASKS)
        self._sync, self._predict = self.queues()

    def queues(self) -> list[Queue]:
        """Give the queues that a worker serves, the more urgent first."""
        return [Queue(name, connection=self._connection, serializer=JSONSerializer) for name in QUEUE_NAMES]

    def ping(self) -> None:
        """Find out whether Redis answers.

        Raises:
            QueueUnavailableError: it does not.
        """
        with redis_errors():
            self._connection.ping()

    def enqueue_sync(self, project_id: int) -> bool:
        """Queue a sync of the project unless one waits already.

        A sync that runs has read some of Label Studio before now, so it does not count: one more follows it.

        Returns:
            Whether a job was queued.
        """
        payload = SyncProject(project_id)
        job_id = f"sync-{project_id}-{uuid4().hex[:12]}"
        with redis_errors():
            if not self._claim_sync(
                keys=[ProjectKeys(project_id).sync], args=[Job.key_for(""), job_id, SECONDS_TO_LIVE]
            ):
                return False
            self._sync.enqueue_many([_job(_SYNC_PROJECT, payload.as_kwargs(), job_id, _SYNC_TIMEOUT_S)])
        return True

    def enqueue_tasks(
        self, project_id: int, model_version: str, task_ids: Iterable[int], *, retry_failed: bool = True
    ) -> int:
        """Queue the predictions of tasks that are not on their way already.

        Args:
            project_id: the project.
            model_version: its current generation; nothing is queued for another one.
            task_ids: tasks without a prediction of this version.
            retry_failed: whether tasks that failed under this version are tried again.

        Returns:
            How many tasks were queued.
        """
        payload = PredictTasks(project_id, model_version, tuple(dict.fromkeys(task_ids)))
        with redis_errors():
            return sum(
                self._enqueue_batch(payload, batch, retry_failed=retry_failed)
                for batch in _chunks(payload.task_ids, _TASKS_PER_SCRIPT)
            )

    def _enqueue_batch(self, payload: PredictTasks, task_ids: Sequence[int], *, retry_failed: bool) -> int:
        job_prefix = f"predict-{payload.project_id}-{uuid4().hex[:12]}"
        claimed = self._claim_tasks(
            keys=ProjectKeys(payload.project_id).of_tasks(),
            args=[
                *(payload.project_id, payload.model_version, SECONDS_TO_LIVE, Job.key_for(""), job_prefix),
                *(self._tasks_per_job, int(retry_failed), *task_ids),
            ],
        )
        chunks = _chunks([int(task_id) for task_id in claimed], self._tasks_per_job)
        self._predict.enqueue_many(
            [
                _predict_job(payload.project_id, payload.model_version, chunk, f"{job_prefix}-{index}")
                for index, chunk in enumerate(chunks)
            ]
        )
        return len(claimed)

    def sync_started(self, project_id: int) -> None:
        """Note that the waiting sync begins to read, as its first act: later events need another one."""
        with redis_errors():
            self._connection.delete(ProjectKeys(project_id).sync)

    def sync_deferred(self, project_id: int, job_id: str) -> bool:
        """Note that a sync failed and will be tried again, so that events meanwhile need no other.

        Returns:
            False if another sync waits already: it does the work, and this one need not be tried again.
        """
        with redis_errors():
            claimed = self._claim_sync(
                keys=[ProjectKeys(project_id).sync], args=[Job.key_for(""), job_id, SECONDS_TO_LIVE]
            )
            return bool(claimed)

    @contextmanager
    def sync_lock(self, project_id: int, *, wait_s: float = 10) -> Iterator[Lock]:
        """Hold the project's syncs to one at a time.

        The lock is lost after two minutes without ``reacquire()``, so that a killed worker blocks nothing for
        long: call it on every page of tasks.

        Raises:
            SyncBusyError: another sync of the project still runs after *wait_s* seconds.
        """
        lock = Lock(
            self._connection, ProjectKeys(project_id).sync_lock, timeout=_LOCK_S, blocking_timeout=wait_s
        )
        with redis_errors():
            if not lock.acquire():
                raise SyncBusyError(
                    f"another sync of project {project_id} still runs; this one is tried again"
                )
        try:
            yield lock
        finally:
            with redis_errors():
                if lock.owned():
                    lock.release()

    def depths(self) -> dict[str, int]:
        """Count the jobs that wait: in all, by queue, and those that wait to be tried again."""
        with redis_errors():
            sync, predict = self._sync.count, self._predict.count
            retrying = sum(self._connection.zcard(_retry_key(name)) for name in QUEUE_NAMES)
        return {"waiting": sync + predict, "sync": sync, "predict": predict, "retrying": retrying}


def _retry_key(queue_name: str) -> str:
    return ScheduledJobRegistry.key_template.format(queue_name)


def _predict_job(project_id: int, model_version: str, task_ids: Sequence[int], job_id: str) -> EnqueueData:
    payload = PredictTasks(project_id, model_version, tuple(task_ids))
    return _job(_PREDICT_TASKS, payload.as_kwargs(), job_id, _TASK_TIMEOUT_S * len(task_ids))


def _job(path: str, kwargs: dict[str, Any], job_id: str, timeout_s: int) -> EnqueueData:
    return Queue.prepare_data(
        path,
        kwargs=kwargs,
        job_id=job_id,
        timeout=timeout_s,
        result_ttl=_RESULT_TTL_S,
        failure_ttl=_FAILURE_TTL_S,
        description=job_id,
        retry=Retry(max=len(_PAUSES_S), interval=_PAUSES_S),
    )


def _chunks(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
