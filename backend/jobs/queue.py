"""The queue: what the web process and the syncs put on it, and what a worker does around a sync.

Workers serve the queues strictly in the order of ``QUEUE_NAMES``. A bulk run has only a few jobs on its queue
at a time and keeps its other tasks in a list of its own, so that several projects take turns: ``feed`` tops
the queue up, after each job and every few seconds.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import uuid4

from redis import Redis
from redis.lock import Lock
from rq import Queue, Retry
from rq.job import Job
from rq.queue import EnqueueData
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from backend.jobs import scripts
from backend.jobs.connection import redis_errors
from backend.jobs.errors import SyncBusyError
from backend.jobs.keys import LATE_SYNCS, PROJECTS, RECONCILED, SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.payloads import ListTasks, PredictTasks, SyncProject, WarmUp
from backend.jobs.request_id import request_meta

INTERACTIVE_QUEUE = "oneshot-interactive"
OPENED_QUEUE = "oneshot-opened"
SYNC_QUEUE = "oneshot-sync"
PREDICT_QUEUE = "oneshot-predict"
WARM_UP_QUEUE = "oneshot-warmup"
QUEUE_NAMES = (  # in the order in which workers serve them
    INTERACTIVE_QUEUE,
    OPENED_QUEUE,
    SYNC_QUEUE,
    PREDICT_QUEUE,
    WARM_UP_QUEUE,
)
PREDICT_QUEUES = frozenset({INTERACTIVE_QUEUE, OPENED_QUEUE, PREDICT_QUEUE})
OPENED_AT_MOST = 8  # tasks of one request that still look like a person who waits for them
ATTEMPTS_LEFT = 7  # after the first
Priority = Literal["interactive", "opened", "bulk"]

_SYNC_PROJECT = "backend.worker.sync.sync_project"
_LIST_TASKS = "backend.worker.listing.list_tasks"
PREDICT_TASKS = "backend.worker.tasks.predict_tasks"
_WARM_UP = "backend.worker.warmup.warm_up"
_RECONCILE = "backend.worker.reconciliation.reconcile"
_SYNC_TIMEOUT_S = 60 * 60  # prompts may be tuned in it
_LIST_TIMEOUT_S = 5 * 60
_RESULT_TTL_S = 5 * 60
_FAILURE_TTL_S = 7 * 24 * 3600
_USUAL_PAUSE_S = 5  # the worker replaces it by what the error calls for
_LOCK_S = 120
_TASKS_PER_SCRIPT = 100
_FEWEST_TASKS_PER_JOB = 4  # and of what is more urgent all: other workers take the rest
_JOB_S = 5  # that a bulk job takes, about: then other projects have their turn
_FEWEST_JOBS = 4  # of a bulk run on the queue
_JOBS_PER_WORKER = 2
_PAGE = 100


class JobQueue:
    """Puts work on the queue, once.

    Args:
        connection: as ``connect`` returns it.
        tasks_per_job: most tasks in one ``predict_tasks`` job; fewer where they take long.
        task_timeout_s: seconds that one task may take.
    """

    def __init__(self, connection: Redis, *, tasks_per_job: int = 16, task_timeout_s: int = 600) -> None:
        self.connection = connection
        self._tasks_per_job = tasks_per_job
        self._fewest_per_job = min(tasks_per_job, _FEWEST_TASKS_PER_JOB)
        self.task_timeout_s = task_timeout_s
        self._claim_sync = connection.register_script(scripts.CLAIM_SYNC)
        self._free_sync = connection.register_script(scripts.FREE_SYNC)
        self._claim_tasks = connection.register_script(scripts.CLAIM_TASKS)
        self._feed = connection.register_script(scripts.FEED)

    def queue(self, name: str) -> Queue:
        """Give one of the queues."""
        return Queue(name, connection=self.connection, serializer=JSONSerializer)

    def queues(self) -> list[Queue]:
        """Give the queues that a worker serves, the more urgent first."""
        return [self.queue(name) for name in QUEUE_NAMES]

    def ping(self) -> None:
        """Find out whether Redis answers.

        Raises:
            QueueUnavailableError: it does not.
        """
        with redis_errors():
            self.connection.ping()

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
            self._put(SYNC_QUEUE, [_job(_SYNC_PROJECT, payload.as_kwargs(), job_id, _SYNC_TIMEOUT_S)])
        return True

    def sync_later(self, project_id: int, *, in_s: float) -> bool:
        """Have a sync of the project queued in *in_s* seconds, unless one begins before.

        Returns:
            False if that was wanted already; it is not put off.
        """
        with redis_errors():
            seconds, microseconds = self.connection.time()
            due_at = seconds + microseconds / 1e6 + in_s
            with self.connection.pipeline() as pipe:
                pipe.zadd(LATE_SYNCS, {str(project_id): due_at}, nx=True)
                pipe.expire(LATE_SYNCS, SECONDS_TO_LIVE)
                added, _ = pipe.execute()
        return bool(added)

    def enqueue_late_syncs(self) -> int:
        """Queue the syncs that are due now; each stays noted until it begins, lest it be lost.

        Returns:
            How many jobs were queued.
        """
        with redis_errors():
            now_s, _ = self.connection.time()
            due = cast("list[bytes]", self.connection.zrangebyscore(LATE_SYNCS, "-inf", now_s))
        return sum(self.enqueue_sync(int(project_id)) for project_id in due)

    def sync_waits(self, project_id: int) -> bool:
        """Whether a sync of the project waits for its turn, or to be tried again."""
        with redis_errors():
            token = cast("bytes | None", self.connection.get(ProjectKeys(project_id).sync))
            if token is None:
                return False
            status = cast(
                "bytes | None", self.connection.hget(Job.key_for(token.decode().split()[0]), "status")
            )
        return status in (b"queued", b"scheduled", b"started", b"deferred")

    def sync_is_under_way(self, project_id: int) -> bool:
        """Whether a sync of the project waits, or runs."""
        with redis_errors():
            return self.sync_waits(project_id) or bool(
                self.connection.exists(ProjectKeys(project_id).sync_lock)
            )

    def enqueue_reconciliation(self, *, pause_s: int) -> bool:
        """Queue a look at all projects unless the last one was less than *pause_s* seconds ago."""
        with redis_errors():
            if not self.connection.set(RECONCILED, "1", nx=True, ex=pause_s):
                return False
            self._put(SYNC_QUEUE, [_job(_RECONCILE, {}, f"reconcile-{uuid4().hex[:12]}", _SYNC_TIMEOUT_S)])
        return True

    def enqueue_tasks(
        self,
        project_id: int,
        model_version: str,
        task_ids: Iterable[int],
        *,
        retry_failed: bool = True,
        priority: Priority = "bulk",
        seen_at: float | None = None,
    ) -> int:
        """Queue the predictions of tasks that are not on their way already.

        Args:
            project_id: the project.
            model_version: its current generation; nothing is queued for another one.
            task_ids: tasks without a prediction of this version.
            retry_failed: whether tasks that failed under this version are tried again.
            priority: what is more urgent than ``bulk`` takes over what a bulk run has not begun.
            seen_at: Redis's time before Label Studio was asked; what was finished later is not queued again.

        Returns:
            How many tasks were queued.
        """
        payload = PredictTasks(project_id, model_version, tuple(dict.fromkeys(task_ids)))
        with redis_errors():
            claimed = sum(
                self._claim(payload, batch, retry_failed=retry_failed, priority=priority, seen_at=seen_at)
                for batch in _chunks(payload.task_ids, _TASKS_PER_SCRIPT)
            )
            if claimed and priority == "bulk":
                self.feed(project_id)
        return claimed

    def _claim(
        self,
        payload: PredictTasks,
        task_ids: Sequence[int],
        *,
        retry_failed: bool,
        priority: Priority,
        seen_at: float | None,
    ) -> int:
        first = "" if priority == "bulk" else f"{priority}-{payload.project_id}-{uuid4().hex[:12]}"
        claimed = self._claim_tasks(
            keys=ProjectKeys(payload.project_id).of_tasks(),
            args=[
                *(payload.project_id, SECONDS_TO_LIVE, payload.model_version, Job.key_for("")),
                *(int(retry_failed), "" if seen_at is None else seen_at, first, self._fewest_per_job),
                *task_ids,
            ],
        )
        if priority != "bulk":
            chunks = _chunks([int(task_id) for task_id in claimed], self._fewest_per_job)
            jobs = [
                self._predict_job(payload.project_id, payload.model_version, chunk, f"{first}-{index}")
                for index, chunk in enumerate(chunks)
            ]
            self._put(INTERACTIVE_QUEUE if priority == "interactive" else OPENED_QUEUE, jobs)
        return len(claimed)

    def feed(self, project_id: int) -> int:
        """Top up the project's jobs on the bulk queue, and have the next page of its task list read in time.

        Tasks whose job is lost wait again.

        Returns:
            How many jobs were queued.
        """
        first = f"{project_id}-{uuid4().hex[:12]}"
        with redis_errors():
            workers = self.workers()
            most_jobs = max(_FEWEST_JOBS, _JOBS_PER_WORKER * workers)
            version, list_job, *made = self._feed(
                keys=ProjectKeys(project_id).of_tasks(),
                args=[
                    *(project_id, SECONDS_TO_LIVE, Job.key_for(""), first),
                    *(self._fewest_per_job, self._tasks_per_job, _JOB_S),
                    *(most_jobs, max(_PAGE, most_jobs * self._tasks_per_job)),
                ],
            )
            if list_job:
                self._enqueue_listing(project_id, version.decode(), list_job.decode())
            jobs = [json.loads(each) for each in made]
            self._put(
                PREDICT_QUEUE,
                [
                    self._predict_job(project_id, version.decode(), [int(task) for task in tasks], job_id)
                    for job_id, tasks in jobs
                ],
            )
        return len(jobs) + bool(list_job)

    def workers(self) -> int:
        """Count the workers; one that was killed counts until it is missed."""
        with redis_errors():
            return self.connection.scard(WORKERS_BY_QUEUE_KEY % PREDICT_QUEUE)

    def project_ids(self) -> list[int]:
        """List the projects that are known, the one that changed longest ago first."""
        with redis_errors():
            return [int(each) for each in cast("list[bytes]", self.connection.zrange(PROJECTS, 0, -1))]

    def feed_all(self) -> None:
        """Feed every project that has tasks left: some job's end was missed, or its worker is gone."""
        with redis_errors():
            members = self.project_ids()
            with self.connection.pipeline(transaction=False) as pipe:
                for project_id in members:
                    keys = ProjectKeys(project_id)
                    pipe.exists(keys.pending, keys.carriers)
                    pipe.hget(keys.run, "listing")
                found = pipe.execute()
        for index, project_id in enumerate(members):
            if found[2 * index] or found[2 * index + 1] == b"1":
                self.feed(project_id)

    def _enqueue_listing(self, project_id: int, model_version: str, job_id: str) -> None:
        payload = ListTasks(project_id, model_version)
        self._put(SYNC_QUEUE, [_job(_LIST_TASKS, payload.as_kwargs(), job_id, _LIST_TIMEOUT_S)])

    def enqueue_warm_up(self, project_id: int, token: str, *, after_id: int) -> str:
        """Queue the embedding of the next few images of a project.

        Twice is harmless: the job's id follows from *after_id*, and one that exists is left alone.

        Returns:
            The job's id.
        """
        payload = WarmUp(project_id, token, after_id)
        job_id = f"warmup-{project_id}-{token}-{after_id}"
        with redis_errors():
            if not self.connection.exists(Job.key_for(job_id)):
                timeout_s = self.task_timeout_s * self._tasks_per_job
                self._put(WARM_UP_QUEUE, [_job(_WARM_UP, payload.as_kwargs(), job_id, timeout_s)])
        return job_id

    def put_once(self, queue_name: str, path: str, kwargs: dict[str, Any], job_id: str) -> bool:
        """Queue a job that reads or changes a page of Label Studio, unless one of that id is there."""
        with redis_errors():
            if self.connection.exists(Job.key_for(job_id)):
                return False
            self._put(queue_name, [_job(path, kwargs, job_id, _LIST_TIMEOUT_S)])
        return True

    def sync_started(self, project_id: int) -> None:
        """Note that the waiting sync begins to read, as its first act: later events need another one."""
        with redis_errors(), self.connection.pipeline() as pipe:
            pipe.delete(ProjectKeys(project_id).sync)
            pipe.zrem(LATE_SYNCS, str(project_id))
            pipe.execute()

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
    def sync_lock(self, project_id: int, *, job_id: str = "", wait_s: float = 10) -> Iterator[Lock]:
        """Hold the project's syncs to one at a time.

        The lock is lost after two minutes without ``reacquire()``, and before if its job is known not to run
        any more: so a killed worker blocks nothing for long.

        Args:
            project_id: the project.
            job_id: of the sync; an earlier attempt of the same job is over.
            wait_s: seconds to wait for another sync.

        Raises:
            SyncBusyError: another sync of the project still runs after *wait_s* seconds.
        """
        lock = Lock(
            self.connection, ProjectKeys(project_id).sync_lock, timeout=_LOCK_S, blocking_timeout=wait_s
        )
        with redis_errors():
            self._free_sync(keys=[ProjectKeys(project_id).sync_lock], args=[Job.key_for(""), job_id])
            if not lock.acquire(token=f"{job_id} {uuid4().hex}"):
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
        """Count the jobs that wait by queue, in all, those that wait to be tried again; and pending tasks."""
        with redis_errors():
            members = self.project_ids()
            with self.connection.pipeline(transaction=False) as pipe:
                for queue in self.queues():
                    pipe.llen(queue.key)
                for name in QUEUE_NAMES:
                    pipe.zcard(ScheduledJobRegistry.key_template.format(name))
                for member in members:
                    pipe.llen(ProjectKeys(member).pending)
                numbers = pipe.execute()
        waiting, retrying = numbers[: len(QUEUE_NAMES)], numbers[len(QUEUE_NAMES) : 2 * len(QUEUE_NAMES)]
        by_queue = {
            name.removeprefix("oneshot-"): depth for name, depth in zip(QUEUE_NAMES, waiting, strict=True)
        }
        return {
            "waiting": sum(waiting),
            **by_queue,
            "pending": sum(numbers[2 * len(QUEUE_NAMES) :]),
            "retrying": sum(retrying),
        }

    def ages(self) -> dict[str, float]:
        """Give the seconds that the first job of each queue has waited, 0 for an empty queue."""
        with redis_errors():
            return {name.removeprefix("oneshot-"): self._age_s(name) for name in QUEUE_NAMES}

    def _age_s(self, name: str) -> float:
        first = cast("bytes | None", self.connection.lindex(self.queue(name).key, 0))
        at = (
            cast("bytes | None", self.connection.hget(Job.key_for(first.decode()), "enqueued_at"))
            if first
            else None
        )
        if not at:
            return 0.0
        since = datetime.fromisoformat(at.decode().replace("Z", "+00:00"))
        return max(0.0, (datetime.now(UTC) - since).total_seconds())

    def _predict_job(
        self, project_id: int, model_version: str, task_ids: Sequence[int], job_id: str
    ) -> EnqueueData:
        payload = PredictTasks(project_id, model_version, tuple(task_ids))
        return _job(PREDICT_TASKS, payload.as_kwargs(), job_id, self.task_timeout_s * len(task_ids))

    def _put(self, queue_name: str, jobs: Sequence[EnqueueData]) -> None:
        if jobs:
            self.queue(queue_name).enqueue_many(list(jobs))


def _job(path: str, kwargs: dict[str, Any], job_id: str, timeout_s: int) -> EnqueueData:
    return Queue.prepare_data(
        path,
        kwargs=kwargs,
        job_id=job_id,
        timeout=timeout_s,
        result_ttl=_RESULT_TTL_S,
        failure_ttl=_FAILURE_TTL_S,
        description=job_id,
        meta=request_meta(),
        retry=Retry(max=ATTEMPTS_LEFT, interval=_USUAL_PAUSE_S),
    )


def _chunks(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
