"""Predictions on their way to Label Studio, several at once, while the model computes the next."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import accumulate
from types import TracebackType
from typing import Self

from backend.jobs.push_locks import PushLocks
from backend.labelstudio.client import Task
from backend.labelstudio.errors import LabelStudioError, NoAnswerError, TransientError
from backend.worker.context import JobContext
from backend.worker.errors import PushBusyError
from backend.worker.generation import Generation
from backend.worker.ledger import Ledger
from backend.worker.predict import Computed
from backend.worker.threads import job_threads

MOST_AT_ONCE = 64
MOST_BYTES_AT_ONCE = 16 * 2**20  # about, as JSON; one larger prediction goes alone
PAUSE_S = 0.5  # between two pushes at least: what is quickly computed goes in fewer requests
PAUSE_FACTOR = 3  # after a push, times what it took: Label Studio counts a whole project's tasks at each
_FAILURES_IN_A_ROW = 2  # of single predictions, then the rest of the batch waits without being tried


class Pushes:
    """Pushes from a thread of its own, everything that waits in one batch, about twice a second.

    Where Label Studio takes long, the next push waits longer: batches grow, and it has time for people. A
    context manager: all that was added is pushed before it is left.

    Args:
        job: whose tasks they are.
        generation: that the predictions are made from.
        ledger: where each task's state is noted, after its push.
    """

    def __init__(self, job: JobContext, generation: Generation, ledger: Ledger) -> None:
        self._worker = job.worker
        self._begin_part = job.begin_part
        self._generation = generation
        self._project_id = generation.project_id
        self._ledger = ledger
        self._locks = PushLocks(job.worker.connection, self._project_id)
        self._waiting: list[Computed] = []
        self._lock = threading.Lock()
        self._under_way: list[Future[None]] = []
        self._ended = False
        self._hurry = threading.Event()
        self._next_at = time.monotonic() + PAUSE_S
        self._thread = job_threads(1, "push")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hurry.set()
        self._begin_part()
        self._under_way.append(self._thread.submit(self._push_all))
        self._thread.shutdown(wait=True)
        if kind is None:
            self._raise_ended()

    def add(self, computed: Computed) -> None:
        """Have *computed* pushed. Waits when too much waits already.

        Raises:
            JobsError: an earlier push ended because Redis does not answer.
            TransientError: an earlier push ended because Label Studio is down.
        """
        with self._lock:
            self._waiting.append(computed)
            crowded = fitting(self._waiting) < len(self._waiting)
        pushed = self._thread.submit(self._push_all if crowded else self._push_when_due)
        self._under_way.append(pushed)
        if crowded:
            self._hurry.set()
            pushed.exception()
            self._hurry.clear()
        self._raise_ended()

    def _raise_ended(self) -> None:
        ended = [each for each in self._under_way if each.done()]
        self._under_way = [each for each in self._under_way if not each.done()]
        for each in ended:
            each.result()

    def _push_when_due(self) -> None:
        self._hurry.wait(max(0.0, self._next_at - time.monotonic()))
        self._push_batch()

    def _push_all(self) -> None:
        while self._push_batch():
            pass

    def _push_batch(self) -> bool:
        """Push what waits, as far as it fits into a request; False if there is nothing to push any more."""
        batch = self._next_batch()
        if not batch or self._ended:
            return False
        started = time.monotonic()
        self._ended = True  # unless all goes well
        self._push(batch)
        self._ended = False
        ended = time.monotonic()
        self._next_at = ended + max(PAUSE_S, PAUSE_FACTOR * (ended - started))
        return True

    def _next_batch(self) -> list[Computed]:
        with self._lock:
            count = fitting(self._waiting)
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _push(self, batch: Sequence[Computed]) -> None:
        ids = [each.task_id for each in batch]
        with self._locks.hold(ids) as held:
            for task_id in set(ids) - held.task_ids:
                self._ledger.settle(task_id, _busy(task_id))
            if self._worker.progress.model_version(self._project_id) != self._generation.model_version:
                self._ledger.note_stale(len(held.task_ids))
                return
            if held.task_ids:
                self._store([each for each in batch if each.task_id in held.task_ids])
            lost = held.lost()
        if lost:
            self._tidy(lost)

    def _tidy(self, task_ids: Sequence[int]) -> None:
        """Leave one prediction where another worker may have stored one, too.

        This one stood still for longer than its lock holds, or Redis came back empty.
        """
        with self._locks.hold(task_ids) as held:
            for task_id in task_ids:
                with self._ledger.settling(task_id):
                    if task_id not in held.task_ids:
                        raise _busy(task_id)
                    self._worker.label_studio.keep_newest_prediction(task_id, self._generation.model_version)

    def _store(self, batch: Sequence[Computed]) -> None:
        """Store what is still wanted, at once if possible, and note the states."""
        started = time.perf_counter()
        try:
            tasks = self._still_wanted([each.task_id for each in batch])
        except LabelStudioError as exc:
            self._settle(batch, exc)
            return
        wanted = [each for each in batch if each.task_id in tasks]
        new = [
            task.id for task in tasks.values() if self._generation.model_version not in task.model_versions
        ]
        try:
            self._replace(wanted, without=new)
        except NoAnswerError as exc:  # it may still store them; the next attempt finds them then
            self._settle(wanted, exc)
        except LabelStudioError as exc:
            self._store_one_by_one(wanted, exc)
        else:
            self._note(wanted, time.perf_counter() - started)

    def _settle(self, batch: Sequence[Computed], error: LabelStudioError) -> None:
        for each in batch:
            self._ledger.settle(each.task_id, error)

    def _still_wanted(self, task_ids: Sequence[int]) -> dict[int, Task]:
        """Give the tasks that nobody has deleted or annotated meanwhile, and note the others."""
        found = {task.id: task for task in self._worker.label_studio.tasks(self._project_id, task_ids)}
        gone = set(task_ids) - set(found)
        if gone:
            self._worker.progress.remove_tasks(self._project_id, gone)
            self._ledger.count("deleted", len(gone))
        self._ledger.skip([task.id for task in found.values() if task.is_annotated])
        return {task.id: task for task in found.values() if not task.is_annotated}

    def _store_one_by_one(self, batch: Sequence[Computed], error: LabelStudioError) -> None:
        """Let none suffer for another: Label Studio refuses or loses a batch as a whole."""
        if len(batch) == 1:
            self._ledger.settle(batch[0].task_id, error)
            return
        in_a_row = 0
        for each in batch:
            started = time.perf_counter()
            try:
                if in_a_row >= _FAILURES_IN_A_ROW:
                    raise error
                self._replace([each])
            except LabelStudioError as exc:
                in_a_row, error = (in_a_row + 1 if isinstance(exc, TransientError) else 0), exc
                self._ledger.settle(each.task_id, exc)
            else:
                in_a_row = 0
                self._note([each], time.perf_counter() - started)

    def _replace(self, batch: Sequence[Computed], *, without: Sequence[int] = ()) -> None:
        self._worker.label_studio.replace_predictions(
            *(self._project_id, self._generation.model_version, [each.item for each in batch]),
            label_config=self._generation.label_config,
            without=without,
        )

    def _note(self, batch: Sequence[Computed], seconds: float) -> None:
        if not batch or not self._ledger.record([each.pushed(seconds / len(batch)) for each in batch]):
            return
        for each in batch:
            if each.picture is not None:
                self._worker.pictures.put_task(
                    self._project_id, self._generation.model_version, each.task_id, each.picture
                )


def fitting(waiting: Sequence[Computed]) -> int:
    """How many of those that wait fit into one request; at least one."""
    sizes = accumulate(each.size for each in waiting[:MOST_AT_ONCE])
    return max(1, sum(size <= MOST_BYTES_AT_ONCE for size in sizes))


def _busy(task_id: int) -> PushBusyError:
    return PushBusyError(f"another worker is pushing the prediction of task {task_id}")
