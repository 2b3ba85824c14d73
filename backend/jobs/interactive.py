"""A question with a person waiting for the answer: what is at the place that they point at?

The web process puts a job on the most urgent queue and looks for the answer until the time is over; nobody
works on a question that nobody waits for any more.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError

from backend.jobs.connection import redis_errors
from backend.jobs.errors import PayloadError
from backend.jobs.payloads import require_id
from backend.jobs.queue import INTERACTIVE_QUEUE, JobQueue
from backend.jobs.request_id import request_meta

MOST_BYTES = 4 * 2**20  # of the regions as JSON: a painted one of a large image has some 100 kB
ANSWER = "backend.worker.interactive.answer"
_JOB_ID = "answer-{}"
_ASKED = "oneshot:asked:{}"  # string: exists while somebody waits for the answer of a job
_ANSWERED = "oneshot:answered:{}"  # list of one JSON
_ANSWER_TTL_S = 60
_JOB_TIMEOUT_S = 120
_LOOK_S = 0.02


@dataclass(frozen=True)
class Question:
    """What is at the place that a person points at in one task's image?

    Attributes:
        project_id: the project.
        task_id: the task.
        regions: what was drawn with smart tools, as Label Studio sends it.
        similar: whether the answer has all that looks like it, too.
        known: regions that are in the image already and need not be found again.
    """

    project_id: int
    task_id: int
    regions: tuple[Mapping[str, Any], ...]
    similar: bool = False
    known: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "regions", tuple(self.regions))  # JSON brings lists
        object.__setattr__(self, "known", tuple(self.known))
        require_id("project_id", self.project_id)
        require_id("task_id", self.task_id)
        if not all(isinstance(region, Mapping) for region in (*self.regions, *self.known)):
            raise PayloadError("expected regions to be JSON objects, got something else among them")

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of ``answer`` as plain JSON values."""
        return {**vars(self), "regions": list(self.regions), "known": list(self.known)}


@dataclass(frozen=True)
class Taken:
    """A question that was taken off the queue.

    Attributes:
        job_id: of its job, which is gone.
        question: what is asked.
        request_id: of the request that asks, if it is known.
    """

    job_id: str
    question: Question
    request_id: str | None


class Questions:
    """Asks workers, and gives their answers.

    Args:
        queue: where questions go.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._redis: Redis = queue.connection

    def ask(self, question: Question, *, wait_s: float) -> list[dict[str, Any]] | None:
        """Have a worker answer.

        Args:
            question: what to ask; what is known is left out where it is too much.
            wait_s: seconds to wait.

        Returns:
            The regions of the answer, maybe none; None if no worker has answered in time.

        Raises:
            PayloadError: there is too much in it.
            QueueUnavailableError: Redis does not answer.
        """
        size = len(json.dumps(question.regions))
        if size > MOST_BYTES:
            raise PayloadError(
                f"expected regions of at most {MOST_BYTES} bytes, got {size}; draw fewer of them at once"
            )
        if len(json.dumps(question.known)) > MOST_BYTES:
            question = replace(question, known=())
        job_id = _JOB_ID.format(f"{question.project_id}-{uuid4().hex[:12]}")
        deadline = time.monotonic() + wait_s
        with redis_errors():
            self._redis.set(_ASKED.format(job_id), 1, px=round(wait_s * 1000))
            self._queue.queue(INTERACTIVE_QUEUE).enqueue_many([_job(question, job_id, wait_s)])
            while time.monotonic() < deadline:
                found = cast("bytes | None", self._redis.lpop(_ANSWERED.format(job_id)))
                if found is not None:
                    return list(json.loads(found))
                time.sleep(_LOOK_S)
            self._redis.delete(_ASKED.format(job_id))
        return None

    def take(self) -> "Taken | None":
        """Take the next question off the queue, for a worker amid another job; None if there is none."""
        queue = self._queue.queue(INTERACTIVE_QUEUE)
        with redis_errors():
            for job_id in queue.get_job_ids():
                if not job_id.startswith(_JOB_ID.format("")) or not self._redis.lrem(queue.key, 1, job_id):
                    continue
                with suppress(NoSuchJobError):  # nobody waits for it any more
                    job = queue.job_class.fetch(job_id, self._redis, serializer=queue.serializer)
                    job.delete(remove_from_queue=False)
                    return Taken(job_id, Question(**job.kwargs), job.meta.get("request_id"))
        return None

    def is_awaited(self, job_id: str) -> bool:
        """Whether somebody waits for the answer of a job."""
        with redis_errors():
            return bool(self._redis.exists(_ASKED.format(job_id)))

    def answer(self, job_id: str, regions: Sequence[Mapping[str, Any]]) -> None:
        """Give the answer of a job; it is kept for a minute."""
        key = _ANSWERED.format(job_id)
        with redis_errors(), self._redis.pipeline() as pipe:
            pipe.rpush(key, json.dumps(list(regions)))
            pipe.expire(key, _ANSWER_TTL_S)
            pipe.execute()


def _job(question: Question, job_id: str, wait_s: float) -> Any:  # noqa: ANN401 - RQ's EnqueueData
    """The job; it is not tried again, as nobody would wait for it."""
    return Queue.prepare_data(
        ANSWER,
        kwargs=question.as_kwargs(),
        job_id=job_id,
        timeout=_JOB_TIMEOUT_S,
        ttl=round(wait_s) + _ANSWER_TTL_S,  # without workers questions must not pile up
        result_ttl=_ANSWER_TTL_S,
        failure_ttl=_ANSWER_TTL_S,
        meta=request_meta(),
    )
