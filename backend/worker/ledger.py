"""How the tasks of one job end: noted for the status page, and counted for the job's outcome."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException

from backend.jobs.errors import JobsError
from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import TaskProgress
from backend.labelstudio.errors import LabelStudioError, TransientError
from backend.vision.errors import VisionError
from backend.worker.context import JobContext
from backend.worker.errors import PushBusyError
from backend.worker.outcomes import explain

STALE = "of an older generation"
LEFT = "left"
_ANNOTATED = "a person has annotated it"

logger = logging.getLogger(__name__)


class Ledger:
    """Notes the states of a job's tasks. Used by the thread that computes and the one that pushes.

    Attributes:
        counts: tasks by how they ended, in words.
        retry_after_s: the longest that another side asked to wait, or None.
        stale: the project has moved on to another generation: the rest of the job is moot.
    """

    def __init__(self, job: JobContext, payload: PredictTasks) -> None:
        self.counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self.retry_after_s: float | None = None
        self.stale = False
        self._job = job
        self._payload = payload
        self._lock = threading.Lock()

    def __str__(self) -> str:
        """How many tasks ended how."""
        return ", ".join(f"{count} {ending}" for ending, count in self.counts.items()) or "nothing to do"

    @property
    def stages(self) -> str:
        """The seconds that the stages took, in brackets; empty if nothing was computed."""
        told = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in self._seconds.items())
        return f" ({told})" if told else ""

    def record(self, tasks: Sequence[TaskProgress]) -> bool:
        """Note how tasks have ended; False if the project has moved on to another generation."""
        if not self._progress(tasks):
            return False
        for task in tasks:
            self.count(f"{task.state} at a bound" if task.limits else task.state)
            for stage, seconds in task.stages.items():  # of the thread that pushes only
                self._seconds[stage] = self._seconds.get(stage, 0) + seconds
        return True

    def count(self, ending: str, number: int = 1) -> None:
        """Count tasks that ended in a way that needs no note."""
        with self._lock:
            self.counts[ending] += number

    def note_stale(self, number: int) -> None:
        """Count tasks that are moot, and let the rest of the job be moot."""
        self.stale = True
        self.count(STALE, number)

    @contextmanager
    def settling(self, task_id: int) -> Iterator[None]:
        """Turn what goes wrong with one task into its state. What would stop the others, too, is raised.

        Raises:
            JobsError: Redis does not answer.
            TransientError: Label Studio is down.
            JobTimeoutException: the job's time is over.
        """
        try:
            yield
        except (JobsError, JobTimeoutException, RedisError):
            raise
        except (LabelStudioError, VisionError, PushBusyError) as exc:
            self.settle(task_id, exc)
        except Exception as exc:  # a bug that one image meets must not hold up the others
            where = self._job.job_id, task_id, self._payload.project_id
            logger.exception("job %s: task %d of project %d", *where)
            self._note_failed(task_id, explain(exc))

    def settle(self, task_id: int, error: LabelStudioError | VisionError | PushBusyError) -> None:
        """Note what follows from what went wrong with one task: it waits for another attempt, or has failed.

        Raises:
            TransientError: Label Studio is down, and all of the job must wait.
        """
        if isinstance(error, (TransientError, PushBusyError)):
            self._wait(task_id, error)
        else:
            self._note_failed(task_id, str(error))

    def skip(self, task_ids: Sequence[int]) -> None:
        """Note that a person was faster."""
        if task_ids:
            self.record([TaskProgress(each, "skipped", reason=_ANNOTATED) for each in task_ids])

    def _wait(self, task_id: int, error: TransientError | PushBusyError) -> None:
        if isinstance(error, TransientError):
            if self._job.label_studio_is_down(error):
                raise error
            self._job.worker.counters.add({f"label_studio_errors:{type(error).__name__}": 1})
            self.retry_after_s = max(self.retry_after_s or 0, error.retry_after_s or 0) or None
        if not self._job.attempts_left:
            self._note_failed(task_id, str(error))
        elif self._progress([TaskProgress(task_id, "queued", reason=str(error))]):
            self.count(LEFT)

    def _note_failed(self, task_id: int, reason: str) -> None:
        self.record([TaskProgress(task_id, "failed", reason=reason)])

    def _progress(self, tasks: Sequence[TaskProgress]) -> bool:
        version, project_id = self._payload.model_version, self._payload.project_id
        if self._job.worker.progress.record_many(project_id, version, tasks):
            return True
        self.note_stale(len(tasks))
        return False
