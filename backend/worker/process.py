"""The worker process's loop: RQ's simple worker, with heartbeats, retries and a Redis that may go away."""

import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import AbandonedJobError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.job_lifecycle import call_exception_handlers
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker_registration import register

from backend.jobs.errors import JobsError, QueueUnavailableError
from backend.jobs.keys import WORKER, WORKER_SECONDS_TO_LIVE
from backend.jobs.queue import (
    INTERACTIVE_QUEUE,
    OPENED_QUEUE,
    PREDICT_QUEUE,
    PREDICT_QUEUES,
    QUEUE_NAMES,
    SYNC_QUEUE,
    WARM_UP_QUEUE,
)
from backend.jobs.request_id import current_request_id
from backend.jobs.taking import OneshotQueue
from backend.labelstudio.errors import LabelStudioError, TransientError
from backend.worker import retries
from backend.worker.background import Background
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.deadline import Deadline
from backend.worker.errors import WorkerError
from backend.worker.memory import most_resident_bytes, resident_bytes
from backend.worker.outage import label_studio_is_down, probe
from backend.worker.outcomes import explain, note_failure
from backend.worker.scheduling import Scheduler

MAINTENANCE_S = 20  # how often a worker looks for jobs whose worker was killed
WORKER_TTL_S = 35  # an idle worker waits this long less 15 s for a job, then looks around
SCHEDULE_S = 1
PROBE_S = 0.5
RECONNECT_S = 2
MORE_URGENT = {  # for whom a job gives back what it has not begun
    PREDICT_QUEUE: (INTERACTIVE_QUEUE, OPENED_QUEUE),
    WARM_UP_QUEUE: (INTERACTIVE_QUEUE, OPENED_QUEUE, SYNC_QUEUE, PREDICT_QUEUE),
}

logger = logging.getLogger(__name__)


def work(
    *,
    connection: Redis,
    context: WorkerContext,
    reconcile_s: int = 0,
    max_memory_bytes: int = 0,
    parent: int | None = None,
) -> None:
    """Run jobs until the process is asked to end. When Redis goes away, wait for it and go on.

    Args:
        connection: to Redis.
        context: what the jobs work with.
        reconcile_s: seconds between two looks at all projects for what was missed; 0: never.
        max_memory_bytes: a worker that holds more ends; 0: no bound.
        parent: the process with whose end this one ends; None: it goes on alone.
    """
    logging.getLogger("rq.worker").addFilter(_shorten_redis_errors)
    stopping = False
    while not stopping:
        try:
            worker = OneshotWorker(QUEUE_NAMES, connection=connection, context=context)
            worker.reconcile_s, worker.max_memory_bytes = reconcile_s, max_memory_bytes
            worker.parent = parent
            worker.work(logging_level="WARNING")
            stopping = worker.stopping
        except RedisError as exc:
            logger.warning("waiting for Redis: %s", exc)
        stopping = stopping or _is_orphan(parent)
        if not stopping:
            time.sleep(RECONNECT_S)


class OneshotWorker(SimpleWorker):
    """Runs jobs in its own process, one after the other, so that the models stay loaded.

    RQ's simple worker sends no heartbeat during a job; here a thread does, until the job's time is over. A
    job whose worker is killed counts as abandoned and is tried again. A worker whose job hangs where no alarm
    reaches it, or that holds too much memory, kills itself: what started it starts another one.

    Args:
        queue_names: in order of priority.
        connection: to Redis.
        context: what the jobs work with; they find it in ``current_job``.
    """

    queue_class = OneshotQueue
    heartbeat_s: float = 5
    heartbeat_ttl_s = 60  # a job whose worker was killed is given to another one after this long
    reconcile_s = 0
    max_memory_bytes = 0
    parent: int | None = None

    def __init__(self, queue_names: Sequence[str], *, connection: Redis, context: WorkerContext) -> None:
        super().__init__(
            list(queue_names),
            name=worker_name(),
            connection=connection,
            serializer=JSONSerializer,
            exception_handlers=[self._note_failure],
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_S,
            log_job_description=False,
        )
        self._context = context
        self._deadline = Deadline(None)

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to end."""
        return self._shutdown_requested_date is not None

    def work(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - RQ's options go through
        """Run jobs, with retries and heartbeats beside them; returns whether there were any."""
        scheduler = Scheduler(
            *(self.queue_names(), self.connection),
            queue=self._context.queue,
            reconcile_s=self.reconcile_s,
            stale_s=self._context.stale_s,
            order=self._context.sampling or "",
        )
        beside = [
            Background("scheduler", scheduler.step, interval_s=SCHEDULE_S),
            Background("heartbeat", self.beat, interval_s=self.heartbeat_s),
            Background("breaker", self._probe, interval_s=PROBE_S),
        ]
        for thread in beside:
            thread.start()
        try:
            return bool(super().work(*args, **kwargs))
        finally:
            for thread in beside:
                thread.stop()
            scheduler.stop()

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - RQ's signature
        """Note that *job* has started: from now on the registry of started jobs knows of it."""
        super().prepare_job_execution(job, remove_from_intermediate_queue=True)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job with its context in place; False when it raised. Then its project's next jobs come."""
        request_id = job.meta.get("request_id")
        in_parts = queue.name in PREDICT_QUEUES or queue.name == WARM_UP_QUEUE
        self._deadline = Deadline(self._context.queue.task_timeout_s if in_parts else None)
        context = JobContext(
            *(self._context, job.id, job.retries_left or 0, self._stopping_in(queue.name)),
            request_id=request_id,
            begin_part=self._deadline.begin_part,
        )
        token, id_token = current_job.set(context), current_request_id.set(request_id)
        try:
            succeeded = super().perform_job(job, queue, execution)
            self._after(job, queue, succeeded=succeeded)
        finally:
            current_job.reset(token)
            current_request_id.reset(id_token)
        return succeeded

    def _after(self, job: Job, queue: Queue, *, succeeded: bool) -> None:
        try:
            outcome = "ok" if succeeded else "failed"
            if not succeeded and job.get_status(refresh=False) != JobStatus.FAILED:
                outcome = "retried"
            self._context.counters.add({f"jobs:{outcome}": 1})
            project_id = job.kwargs.get("project_id")
            if project_id is not None and queue.name in (SYNC_QUEUE, PREDICT_QUEUE):
                self._context.queue.feed(int(project_id))
        except QueueUnavailableError as exc:  # the scheduler's thread does it when Redis is back
            logger.warning("%s", exc)

    def _stopping_in(self, queue_name: str) -> Callable[[], bool]:
        """Give the function that tells a job of this queue whether to give back what it has not begun."""
        urgent = [
            self.queue_class(name, connection=self.connection).key for name in MORE_URGENT.get(queue_name, ())
        ]

        def stopping() -> bool:
            if self.stopping or not urgent:
                return self.stopping
            try:
                return bool(self.connection.exists(*urgent))
            except RedisError:
                return False  # what follows says so

        return stopping

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        """Seconds after which a job without a heartbeat is abandoned."""
        return self.heartbeat_ttl_s

    def beat(self) -> None:
        """Say that the worker lives and its job goes on; end a worker that is out of control."""
        if _is_orphan(self.parent) and not self.stopping:  # first: Redis may be gone as well
            os.kill(os.getpid(), signal.SIGTERM)
        if self.birth_date is not None and not self.connection.hexists(self.key, "birth"):
            self._register_again()
        executions = list(self.executions.values())
        for execution in executions:
            if self._overdue(execution.job):
                logger.error("job %s hangs; this worker kills itself", execution.job_id)
                os.kill(os.getpid(), signal.SIGKILL)
            self.maintain_heartbeats(execution.job, execution)
        self._note_myself(executions)
        self._bound_memory(busy=bool(executions))

    def _overdue(self, job: Job) -> bool:
        """Whether the job goes on though RQ's alarm should have ended it: it hangs outside of Python."""
        if self._deadline.overdue_s > self.heartbeat_ttl_s:
            return True
        if not job.started_at or not job.timeout or job.timeout < 0:
            return False
        return (now() - job.started_at).total_seconds() > job.timeout + self.heartbeat_ttl_s

    def _note_myself(self, executions: Sequence[Execution]) -> None:
        job = executions[0].job if executions else None
        project_id = job.kwargs.get("project_id") if job else None
        key = WORKER.format(self.name)
        with self.connection.pipeline() as pipe:
            pipe.hset(
                key,
                mapping={
                    "host": socket.gethostname(),
                    "pid": os.getpid(),
                    "rss_bytes": resident_bytes(),
                    "max_rss_bytes": most_resident_bytes(),
                    "project_id": project_id or "",
                },
            )
            pipe.expire(key, WORKER_SECONDS_TO_LIVE)
            pipe.execute()

    def _bound_memory(self, *, busy: bool) -> None:
        """End this process if it holds too much: at once in a job, which is tried again elsewhere."""
        held = resident_bytes()
        if not self.max_memory_bytes or held <= self.max_memory_bytes or self.stopping:
            return
        logger.error(
            "this worker holds %.0f MB, more than ONESHOT_MAX_MEMORY allows (%.0f MB): it ends",
            *(held / 1e6, self.max_memory_bytes / 1e6),
        )
        os.kill(os.getpid(), signal.SIGKILL if busy else signal.SIGTERM)

    def _register_again(self) -> None:
        """Be listed again after Redis came back empty, and have every project looked at."""
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping={**self.serialize(), "state": self.get_state()})
            pipeline.expire(self.key, WORKER_TTL_S + 60)
            register(self, pipeline)
            pipeline.execute()
        if self.reconcile_s:
            self._context.queue.enqueue_reconciliation(pause_s=self.reconcile_s)

    def _probe(self) -> None:
        probe(self._context.label_studio, self._context.breaker)

    def handle_exception(
        self, job: Job, *exc_info: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        """Log what is no surprise as one line, anything else with its traceback."""
        error = exc_info[1]
        if isinstance(error, (LabelStudioError, JobsError, WorkerError)):
            call_exception_handlers(self._exc_handlers, job, *exc_info)
            then = f"tried again ({job.retries_left} times left)" if job.retries_left else "given up"
            logger.warning("job %s: %s; %s", job.id, error, then)
        else:
            super().handle_exception(job, *exc_info)

    def _note_failure(
        self, job: Job, kind: type[BaseException], error: BaseException | None, _: TracebackType | None
    ) -> bool:
        error = error or kind()
        outage = isinstance(error, TransientError) and label_studio_is_down(
            *(self._context.label_studio, self._context.breaker, error)
        )
        if isinstance(error, LabelStudioError):
            self._context.counters.add({f"label_studio_errors:{type(error).__name__}": 1})
        if isinstance(error, AbandonedJobError):
            logger.warning("job %s: %s", job.id, explain(error))
        retries.schedule(job, error, outage=outage)
        note_failure(self._context, job, error, outage=outage)
        return True


def _is_orphan(parent: int | None) -> bool:
    """Whether the process that started this worker is gone: then nobody would ever end it."""
    gone = parent is not None and os.getppid() != parent
    if gone:
        logger.warning("the process that started this worker is gone: it ends")
    return gone


def worker_name() -> str:
    """Name this process for people who read the status page; told apart after a restart of Redis as well."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def _shorten_redis_errors(record: logging.LogRecord) -> bool:
    """Say that Redis is gone in one line, without RQ's traceback."""
    if record.exc_info and isinstance(record.exc_info[1], (RedisError, QueueUnavailableError)):
        record.msg, record.args, record.exc_info = "Redis: %s", (record.exc_info[1],), None
    return True
