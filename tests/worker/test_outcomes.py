"""What the status page says after an attempt of a job failed."""

import pytest
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException

from backend.jobs.progress import TaskProgress
from backend.jobs.queue import PREDICT_QUEUE, SYNC_QUEUE
from backend.jobs.snapshot import snapshot
from backend.labelstudio.errors import LabelStudioUnavailableError
from backend.worker.context import WorkerContext
from backend.worker.outcomes import explain, note_failure

VERSION = "oneshot-tiny-1"
PAYLOAD = {"project_id": 7, "model_version": VERSION, "task_ids": [1, 2, 3]}
AWAY = LabelStudioUnavailableError("Label Studio does not answer")


@pytest.fixture
def job(context: WorkerContext) -> Job:
    """A job with task 1 done, 2 in hand, 3 waiting, and retries left."""
    context.progress.set_generation(7, VERSION, [])
    for task in (
        TaskProgress(1, "done", instances=2),
        TaskProgress(2, "processing"),
        TaskProgress(3, "queued"),
    ):
        context.progress.record(7, VERSION, task)
    job = Job.create(
        "backend.worker.tasks.predict_tasks",
        kwargs=PAYLOAD,
        connection=context.connection,
        origin=PREDICT_QUEUE,
    )
    job.retries_left = 2
    return job


def states(context: WorkerContext) -> dict[int, tuple[str, str | None]]:
    tasks = snapshot(context.connection)["projects"][0]["tasks"]
    return {task["id"]: (task["state"], task["reason"]) for task in tasks}


def test_with_retries_left_the_task_in_hand_waits_again(context: WorkerContext, job: Job) -> None:
    note_failure(context, job, AWAY)

    assert states(context) == {
        1: ("done", None),
        2: ("queued", "Label Studio does not answer; it is tried again"),
        3: ("queued", None),
    }


def test_without_retries_what_is_not_finished_has_failed(context: WorkerContext, job: Job) -> None:
    job.retries_left = 0
    note_failure(context, job, AWAY)

    reason = "Label Studio does not answer; it was tried often enough"
    assert states(context) == {1: ("done", None), 2: ("failed", reason), 3: ("failed", reason)}


def test_the_task_that_took_too_long_fails_alone(context: WorkerContext, job: Job) -> None:
    note_failure(context, job, JobTimeoutException("Task exceeded maximum timeout value (2400 seconds)"))

    assert {task: state for task, (state, _) in states(context).items()} == {
        1: "done",
        2: "failed",
        3: "queued",
    }


def test_a_failed_sync_says_why_on_the_project(context: WorkerContext) -> None:
    job = Job.create(
        "backend.worker.tasks.sync_project",
        kwargs={"project_id": 7},
        connection=context.connection,
        origin=SYNC_QUEUE,
    )
    note_failure(context, job, AWAY)

    assert context.progress.project(7).error == "Label Studio does not answer; it was tried often enough"


def test_a_lost_worker_is_explained_in_words() -> None:
    assert "killed, out of memory" in explain(AbandonedJobError())
