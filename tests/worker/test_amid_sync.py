"""What a worker does while a sync learns, for that may take minutes and no other worker may be there."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from backend.jobs.queue import OPENED_QUEUE, SYNC_QUEUE
from backend.vision.learned import NOTHING, Learned
from backend.worker.context import WorkerContext
from tests.worker.conftest import Project, disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., Project]
Learn = Callable[..., Learned]


@pytest.fixture
def version(full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs) -> str:
    """Tasks 2 and 3 are predicted, task 2 is corrected, so that a sync learns; the generation before it."""
    full_context.queue.enqueue_sync(PROJECT)
    found = str(run_jobs()["model_version"])
    (prediction,) = [each for each in fake.predictions if each["task"] == 2]
    fake.annotate(2, disc_mask(), parent_prediction=prediction["id"])
    full_context.queue.enqueue_sync(PROJECT)
    return found


def learning(*, first: Callable[[], object], steps: int = 3) -> tuple[Learn, list[int]]:
    """A way to learn that takes some steps, *first* before them; and the steps that it has taken."""
    taken: list[int] = []

    def learn(*_: object, step: Callable[[], object], **__: object) -> Learned:
        first()
        for number in range(steps):
            step()
            taken.append(number)
        return NOTHING

    return learn, taken


def somebody_opens(context: WorkerContext, version: str, task: int) -> None:
    context.queue.enqueue_tasks(PROJECT, version, [task], priority="opened")


def waiting(context: WorkerContext, queue: str) -> list[Any]:
    return [job.kwargs for job in context.queue.queue(queue).get_jobs()]


def test_what_somebody_opens_is_predicted_amid_learning(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    opened = fake.add_task(disc())
    learn, taken = learning(first=lambda: somebody_opens(full_context, version, opened))

    run_jobs(jobs=1, learn=learn)  # the sync, and no job besides

    assert taken == [0, 1, 2]
    assert opened in fake.predicted()
    assert waiting(full_context, OPENED_QUEUE) == []
    assert full_context.connection.keys("rq:job:opened*") == []


def test_what_cannot_be_predicted_amid_learning_waits_for_its_turn(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    """It is looked at once, and is still there for a worker that is free."""
    opened = fake.add_task(disc())
    address = fake.tasks[opened]["image"]
    fake.broken = lambda path: 503 if path == address else None
    learn, taken = learning(first=lambda: somebody_opens(full_context, version, opened))

    run_jobs(jobs=1, learn=learn)

    assert taken == [0, 1, 2]
    assert sum(address in each for each in fake.requests) == 1
    assert [each["task_ids"] for each in waiting(full_context, OPENED_QUEUE)] == [[opened]]


def test_a_worker_that_is_asked_to_stop_gives_the_sync_back(
    full_context: WorkerContext, run_jobs: RunJobs, version: str
) -> None:
    """At its next step; another worker, or this one when it is started again, begins anew."""
    learn, taken = learning(first=lambda: os.kill(os.getpid(), signal.SIGTERM))

    run_jobs(jobs=1, learn=learn)

    assert taken == []
    assert waiting(full_context, SYNC_QUEUE) == [{"project_id": PROJECT}]
    again, taken = learning(first=lambda: None)
    assert run_jobs(learn=again)["model_version"] == version
    assert taken == [0, 1, 2]
