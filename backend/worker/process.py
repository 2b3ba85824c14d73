"""The worker process's loop: RQ's simple worker, with heartbeats, retries and a Redis that may go away."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.exceptions import AbandonedJobError
from rq.executions import Execution
from rq.job import Job
from rq.job_lifecycle import call_exception_handlers
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import SimpleWorker
from rq.worker_registration import register

from backend.jobs.errors import JobsError
from backend.labelstudio.errors import LabelStudioError
from backend.worker.background import Background
from backend.worker.context import JobContext, WorkerContext, current_job
from backend.worker.errors import WorkerError
from backend.worker.outcomes import explain, note_failure
from backend.worker.scheduling import Scheduler

MAINTENANCE_S = 20  # how often a worker looks for jobs whose worker was killed
WORKER_TTL_S = 35  # an idle worker waits this long less 15 s for a job, then looks around
SCHEDULE_S = 1
RECONNECT_S = 2

logger = logging.getLogger(__name__)


def work(queue_names: Sequence[str], *, connection: Redis, context: WorkerContext) -> None:
    """Run jobs until the process is asked to end. When Redis goes away, wait for it and go on."""
    logging.getLogger("rq.worker").addFilter(_shorten_redis_errors)
    stopping = False
    while not stopping:
        try:
            worker = OneshotWorker(queue_names, connection=connection, context=context)
            worker.work(logging_level="WARNING")
            stopping = worker.stopping
        except RedisError as exc:
            logger.warning("waiting for Redis: %s", exc)
        if not stopping:
            time.sleep(RECONNECT_S)


class OneshotWorker(SimpleWorker):
    """Runs jobs in its own process, one after the other, so that the models stay loaded.

    RQ's simple worker sends no heartbeat during a job; here a thread does, until the job's time is over. A
    job that hangs after that, or whose worker is killed, counts as abandoned and is tried again.

    Args:
        queue_names: in order of priority.
        connection: to Redis.
        context: what the jobs work with; they find it in ``current_job``.
    """

    heartbeat_s: float = 5
    heartbeat_ttl_s = 60  # a job whose worker was killed is given to another one after this long

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

    @property
    def stopping(self) -> bool:
        """Whether the process was asked to end."""
        return self._shutdown_requested_date is not None

    def work(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ANN401 - RQ's options go through
        """Run jobs, with retries and heartbeats beside them; returns whether there were any."""
        scheduler = Scheduler(self.queue_names(), self.connection)
        beside = [
            Background("scheduler", scheduler.step, interval_s=SCHEDULE_S),
            Background("heartbeat", self.beat, interval_s=self.heartbeat_s),
        ]
        for thread in beside:
            thread.start()
        try:
            return bool(super().work(*args, **kwargs))
        finally:
            for thread in beside:
                thread.stop()
            scheduler.stop()

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Run one job with its context in place; False when it raised."""
        context = JobContext(self._context, job.id, job.retries_left or 0, lambda: self.stopping)
        token = current_job.set(context)
        try:
            return super().perform_job(job, queue, execution)
        finally:
            current_job.reset(token)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:  # noqa: ARG002 - RQ's signature
        """Seconds after which a job without a heartbeat is abandoned."""
        return self.heartbeat_ttl_s

    def beat(self) -> None:
        """Say that the worker lives, and that the job in hand goes on unless its time is over."""
        if self.birth_date is not None and not self.connection.hexists(self.key, "birth"):
            self._register_again()
        for execution in list(self.executions.values()):
            if not self._overdue(execution.job):
                self.maintain_heartbeats(execution.job, execution)

    def _overdue(self, job: Job) -> bool:
        """Whether the job goes on though RQ's alarm should have ended it: it hangs outside of Python."""
        if not job.started_at or not job.timeout or job.timeout < 0:
            return False
        return (now() - job.started_at).total_seconds() > job.timeout + self.heartbeat_ttl_s

    def _register_again(self) -> None:
        """Be listed again after Redis came back empty."""
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping={**self.serialize(), "state": self.get_state()})
            pipeline.expire(self.key, WORKER_TTL_S + 60)
            register(self, pipeline)
            pipeline.execute()

    def handle_exception(
        self, job: Job, *exc_info: type[BaseException] | BaseException | TracebackType | None
    ) -> None:
        """Log what is no surprise as one line, anything else with its traceback."""
        error = exc_info[1]
        if isinstance(error, (LabelStudioError, JobsError, WorkerError)):
            then = f"tried again ({job.retries_left} times left)" if job.retries_left else "given up"
            logger.warning("job %s: %s; %s", job.id, error, then)
            call_exception_handlers(self._exc_handlers, job, *exc_info)
        else:
            super().handle_exception(job, *exc_info)

    def _note_failure(
        self, job: Job, kind: type[BaseException], error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if issubclass(kind, AbandonedJobError):
            logger.warning("job %s: %s", job.id, explain(kind()))
        note_failure(self._context, job, error or kind())
        return True


def worker_name() -> str:
    """Name this process for people who read the status page; told apart after a restart of Redis as well."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def _shorten_redis_errors(record: logging.LogRecord) -> bool:
    """Say that Redis is gone in one line, without RQ's traceback."""
    if record.exc_info and isinstance(record.exc_info[1], RedisError):
        record.msg, record.args, record.exc_info = "Redis: %s", (record.exc_info[1],), None
    return True
