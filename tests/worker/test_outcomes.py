"""What the status page says after an attempt of a job failed."""

import json
from typing import cast

import pytest
from rq.exceptions import AbandonedJobError
from rq.job import Job
from rq.timeouts import JobTimeoutException

from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import TaskProgress
from backend.jobs.queue import PREDICT_QUEUE, SYNC_QUEUE, WARM_UP_QUEUE
from backend.labelstudio.errors import LabelStudioUnavailableError
from backend.worker.context import WorkerContext
from backend.worker.outcomes import explain, note_failure

VERSION = "oneshot-tiny-1"
AWAY = LabelStudioUnavailableError("Label Studio does not answer")


@pytest.fixture
def job(context: WorkerContext) -> Job:
    """A job with task 1 done, 2 in hand, 3 waiting, and retries left."""
    context.progress.set_generation(7, VERSION, [])
    context.queue.enqueue_tasks(7, VERSION, [1, 2, 3])
    (job,) = context.queue.queue(PREDICT_QUEUE).get_jobs()
    for task_id in (1, 2):
        assert context.progress.take(7, VERSION, task_id, job.id) == "taken"
    context.progress.record(7, VERSION, TaskProgress(1, "done", instances=2))
    job.retries_left = 2
    return job


def states(context: WorkerContext) -> dict[int, tuple[str, str | None]]:
    entries = cast("dict[bytes, bytes]", context.connection.hgetall(ProjectKeys(7).tasks))
    found = {int(task_id): json.loads(entry) for task_id, entry in entries.items()}
    return {task_id: (found[task_id]["state"], found[task_id].get("reason")) for task_id in sorted(found)}


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


def test_a_task_that_hangs_is_tried_again_and_fails_alone_the_second_time(
    context: WorkerContext, job: Job
) -> None:
    """It may have hung for what is over by then; the job's attempts are kept for other trouble."""
    late = JobTimeoutException("Task exceeded maximum timeout value (2400 seconds)")
    note_failure(context, job, late)
    first = states(context)
    assert context.progress.take(7, VERSION, 2, job.id) == "taken"
    note_failure(context, job, late)

    reason = "the job took longer than it may; it is tried again"
    assert first == {1: ("done", None), 2: ("queued", reason), 3: ("queued", None)}
    assert {task: state for task, (state, _) in states(context).items()} == {
        1: "done",
        2: "failed",
        3: "queued",
    }
    assert "second time" in str(states(context)[2][1])
    assert job.retries_left == 4
    assert context.counters.read()["images:failed"] == 1


def test_a_failed_sync_says_why_on_the_project(context: WorkerContext) -> None:
    job = Job.create(
        "backend.worker.sync.sync_project",
        kwargs={"project_id": 7},
        connection=context.connection,
        origin=SYNC_QUEUE,
    )
    note_failure(context, job, AWAY)

    assert context.progress.project(7).error == "Label Studio does not answer; it was tried often enough"


def test_a_lost_worker_is_explained_in_words() -> None:
    assert "killed, out of memory" in explain(AbandonedJobError())


def test_while_label_studio_is_down_nothing_fails(context: WorkerContext, job: Job) -> None:
    note_failure(context, job, AWAY, outage=True)

    assert states(context)[2] == (
        "queued",
        "Label Studio does not answer; it goes on when Label Studio answers",
    )


def test_of_the_tasks_in_hand_the_last_one_is_blamed_and_set_aside_the_second_time(
    context: WorkerContext, job: Job
) -> None:
    """Task 2 was computed and waits to be pushed, when task 3 kills the worker; the next worker as well."""
    context.progress.take(7, VERSION, 3, job.id)
    note_failure(context, job, AbandonedJobError())
    first = states(context)
    for task_id in (2, 3):
        assert context.progress.take(7, VERSION, task_id, job.id) == "taken"
    note_failure(context, job, AbandonedJobError())

    assert {task: state for task, (state, _) in first.items()} == {1: "done", 2: "queued", 3: "queued"}
    assert {task: state for task, (state, _) in states(context).items()} == {
        1: "done",
        2: "queued",
        3: "failed",
    }
    assert "twice" in str(states(context)[3][1])


def test_a_loss_that_a_task_is_blamed_for_uses_up_no_attempt(context: WorkerContext, job: Job) -> None:
    """Each task may be blamed twice: however many workers its job loses, no other task fails with it."""
    job.retries_left = 0
    note_failure(context, job, AbandonedJobError())

    assert job.retries_left == 1  # the one that RQ takes
    assert {task: state for task, (state, _) in states(context).items()} == {
        1: "done",
        2: "queued",
        3: "queued",
    }


def test_without_retries_the_tasks_of_workers_lost_before_any_was_begun_have_failed(
    context: WorkerContext, job: Job
) -> None:
    """Nobody tells what has lost the workers, and somewhere it must end."""
    context.progress.record(7, VERSION, TaskProgress(2, "queued"))
    job.retries_left = 0
    note_failure(context, job, AbandonedJobError())

    assert job.retries_left == 0
    assert {task: state for task, (state, _) in states(context).items()} == {
        1: "done",
        2: "failed",
        3: "failed",
    }


def test_what_another_job_carries_by_now_is_left_alone(context: WorkerContext, job: Job) -> None:
    context.queue.enqueue_tasks(7, VERSION, [3], priority="opened")
    job.retries_left = 0
    note_failure(context, job, AWAY)

    assert states(context)[3] == ("queued", None)


def test_a_warm_up_whose_job_was_tried_often_enough_ends_and_says_why(context: WorkerContext) -> None:
    context.warm_ups.start(7)
    (job,) = context.queue.queue(WARM_UP_QUEUE).get_jobs()
    note_failure(context, job, AbandonedJobError())
    before = context.warm_ups.progress(7)
    job.retries_left = 0
    note_failure(context, job, AbandonedJobError())

    after = context.warm_ups.progress(7)
    assert before is not None
    assert after is not None
    assert (before.state, after.state) == ("running", "cancelled")
    assert "often enough" in str(context.progress.project(7).error)


def test_a_run_that_cannot_start_says_why(context: WorkerContext) -> None:
    context.runs.start(7)
    (job,) = context.queue.queue(SYNC_QUEUE).get_jobs()
    job.retries_left = 0
    note_failure(context, job, AWAY)

    run = context.runs.run(7)
    assert run is not None
    assert (run.state, run.reason) == ("failed", "Label Studio does not answer; it was tried often enough")
