"""What follows for a task, and for the others of its job, from what goes wrong with it."""

from dataclasses import replace

import pytest

from backend.jobs.errors import QueueUnavailableError
from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import TaskProgress
from backend.jobs.snapshot import snapshot
from backend.labelstudio.errors import ImageUnavailableError, LabelStudioUnavailableError, RegionError
from backend.worker.context import JobContext, WorkerContext
from backend.worker.errors import PushBusyError
from backend.worker.ledger import LEFT, STALE, Ledger
from tests.worker.fake_label_studio import FakeLabelStudio

VERSION, PROJECT_ID, TASK = "oneshot-tiny-1", 7, 2


@pytest.fixture
def job(full_context: WorkerContext) -> JobContext:
    """A job of two tasks."""
    full_context.progress.set_generation(PROJECT_ID, VERSION, [])
    full_context.queue.enqueue_tasks(PROJECT_ID, VERSION, [TASK, 3], priority="opened")
    return JobContext(full_context, "job-1", 1, lambda: False)


def ledger(job: JobContext) -> Ledger:
    return Ledger(job, PredictTasks(PROJECT_ID, VERSION, (TASK, 3)))


def fail_by(error: Exception) -> None:
    raise error


def state(job: JobContext) -> str:
    return job.worker.progress.states(PROJECT_ID, [TASK])[TASK]


@pytest.mark.parametrize(("attempts_left", "expected"), [(1, "queued"), (0, "failed")])
@pytest.mark.parametrize("error", [PushBusyError("busy"), ImageUnavailableError("503", retry_after_s=9)])
def test_what_may_be_better_later_waits_as_long_as_there_are_attempts(
    job: JobContext, error: Exception, attempts_left: int, expected: str
) -> None:
    noted = ledger(replace(job, attempts_left=attempts_left))

    with noted.settling(TASK):
        fail_by(error)

    assert state(job) == expected
    assert noted.counts == {LEFT if attempts_left else "failed": 1}
    assert noted.retry_after_s == getattr(error, "retry_after_s", None)


def test_while_label_studio_is_down_nothing_is_blamed_on_a_task(
    job: JobContext, fake: FakeLabelStudio
) -> None:
    fake.broken = lambda _: 503
    noted = ledger(job)

    with pytest.raises(LabelStudioUnavailableError), noted.settling(TASK):
        raise LabelStudioUnavailableError("503")

    assert state(job) == "queued"
    assert noted.counts == {}


@pytest.mark.parametrize("error", [RegionError("odd"), ZeroDivisionError("a bug")])
def test_what_is_wrong_with_one_task_alone_fails_it_with_its_reason(
    job: JobContext, error: Exception
) -> None:
    noted = ledger(job)

    with noted.settling(TASK):
        fail_by(error)

    assert state(job) == "failed"
    (failed,) = (
        task for task in snapshot(job.worker.connection)["projects"][0]["tasks"] if task["id"] == TASK
    )
    assert str(error) in failed["reason"]


def test_a_redis_that_is_gone_is_not_a_tasks_fault(job: JobContext) -> None:
    with pytest.raises(QueueUnavailableError), ledger(job).settling(TASK):
        raise QueueUnavailableError("gone")


def test_states_of_an_older_generation_are_counted_and_not_noted(job: JobContext) -> None:
    noted = ledger(job)
    job.worker.progress.set_generation(PROJECT_ID, "oneshot-tiny-2", [])

    assert not noted.record([TaskProgress(TASK, "done", instances=1)])

    assert noted.stale
    assert noted.counts == {STALE: 1}


def test_the_log_tells_how_tasks_ended_and_what_the_stages_took(job: JobContext) -> None:
    noted = ledger(job)
    noted.record([TaskProgress(TASK, "done", stages={"fetch": 0.5, "check": 1})])
    noted.record([TaskProgress(3, "done", stages={"fetch": 0.25, "check": 1}, limits=("a bound",))])

    assert str(noted) == "1 done, 1 done at a bound"
    assert noted.stages == " (fetch 0.75, check 2.00)"
