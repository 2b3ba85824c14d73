"""Pauses before another attempt grow, vary, and are no shorter than what the other side asks for."""

import pytest
from rq.exceptions import AbandonedJobError
from rq.job import Job

from backend.jobs.queue import ATTEMPTS_LEFT
from backend.labelstudio.errors import LabelStudioUnavailableError
from backend.worker.context import WorkerContext
from backend.worker.errors import TasksLeftError
from backend.worker.retries import pause_s, schedule


@pytest.fixture
def job(context: WorkerContext) -> Job:
    job = Job.create("time.time", connection=context.connection)
    job.retries_left = ATTEMPTS_LEFT
    return job


def test_pauses_grow_up_to_ten_minutes() -> None:
    pauses = [pause_s(left) for left in range(ATTEMPTS_LEFT, 0, -1)]

    for pause, usual in zip(pauses, (5, 10, 20, 40, 80, 160, 320), strict=True):
        assert 0.75 * usual <= pause <= 1.25 * usual
    assert pause_s(-20) <= 1.25 * 600


def test_pauses_vary() -> None:
    """Jobs that failed together do not come back together."""
    assert len({pause_s(ATTEMPTS_LEFT) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "error",
    [LabelStudioUnavailableError("busy", retry_after_s=90), TasksLeftError("1 task", retry_after_s=90)],
)
def test_retry_after_is_honoured(job: Job, error: Exception) -> None:
    schedule(job, error, outage=False)

    assert job.get_retry_interval() == 90


def test_the_job_of_a_lost_worker_comes_soon(job: Job) -> None:
    schedule(job, AbandonedJobError(), outage=False)

    assert job.get_retry_interval() == 1


def test_an_outage_uses_up_no_attempt(job: Job) -> None:
    """RQ takes one away when it puts the job back."""
    job.retries_left = 0
    schedule(job, LabelStudioUnavailableError("away"), outage=True)

    assert job.retries_left == 1
    assert job.get_retry_interval() == 1
