"""What a worker does while a sync learns, for that may take minutes and no other worker may be there."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from backend.jobs.queue import OPENED_QUEUE, PREDICT_QUEUE, SYNC_QUEUE
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


def learning(
    *, first: Callable[[], object] = lambda: None, last: Callable[[], object] = lambda: None
) -> tuple[Learn, list[int]]:
    """A way to learn in three steps, with something before and after them; and the steps it has taken."""
    taken: list[int] = []

    def learn(*_: object, step: Callable[[], object], **__: object) -> Learned:
        first()
        for number in range(3):
            step()
            taken.append(number)
        last()
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
    predicted: list[int] = []
    learn, taken = learning(
        first=lambda: somebody_opens(full_context, version, opened),
        last=lambda: predicted.extend(fake.predicted()),
    )

    run_jobs(learn=learn)

    assert taken == [0, 1, 2]
    assert opened in predicted
    assert fake.predicted().count(opened) == 1
    assert waiting(full_context, OPENED_QUEUE) == []
    assert full_context.connection.keys("rq:job:opened*") == []


def test_what_somebody_opens_is_left_to_another_worker_if_there_is_one(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    """Or both would compute it."""
    opened = fake.add_task(disc())
    found: list[Any] = []

    def somebody_opens_beside_another_worker() -> None:
        full_context.connection.sadd(WORKERS_BY_QUEUE_KEY % PREDICT_QUEUE, "rq:worker:another")
        somebody_opens(full_context, version, opened)

    learn, taken = learning(
        first=somebody_opens_beside_another_worker,
        last=lambda: found.extend(waiting(full_context, OPENED_QUEUE)),
    )

    run_jobs(learn=learn)

    assert taken == [0, 1, 2]
    assert [each["task_ids"] for each in found] == [[opened]]


def test_what_cannot_be_predicted_amid_learning_waits_for_its_turn(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    """It is looked at once, and is still there for a worker that is free."""
    opened = fake.add_task(disc())
    address = fake.tasks[opened]["image"]
    fake.broken = lambda path: 503 if path == address else None
    found: list[Any] = []

    def look() -> None:
        found.append(sum(address in each for each in fake.requests))
        found.append([each["task_ids"] for each in waiting(full_context, OPENED_QUEUE)])

    learn, taken = learning(first=lambda: somebody_opens(full_context, version, opened), last=look)

    run_jobs(learn=learn)

    assert taken == [0, 1, 2]
    assert found == [1, [[opened]]]


def test_a_worker_that_is_asked_to_stop_gives_the_sync_back(
    full_context: WorkerContext, run_jobs: RunJobs, version: str
) -> None:
    """At its next step; another worker, or this one when it is started again, begins anew."""
    learn, taken = learning(first=lambda: os.kill(os.getpid(), signal.SIGTERM))

    run_jobs(learn=learn)

    assert taken == []
    assert {"project_id": PROJECT} in waiting(full_context, SYNC_QUEUE)
    again, taken = learning()
    assert run_jobs(learn=again)["model_version"] == version
    assert taken == [0, 1, 2]
