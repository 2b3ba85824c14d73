"""Two workers compute the same tasks, and the reference changes in the middle of a run."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis

from backend.jobs.queue import JobQueue
from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, wait_for_run, wait_until_finished
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack]) -> Stack:
    return start()


@contextmanager
def _paused_in_a_job(stack: Stack) -> Iterator[str]:
    """One worker stands still in the middle of a job, as on a machine that was suspended; the job's id."""
    found: list[tuple[int, str]] = []

    def busy() -> bool:
        workers = stack.status()["workers"]
        found[:] = [(each["pid"], each["job"]) for each in workers if each["task_id"] and each["pid"]]
        return bool(found)

    while True:
        stack.wait_for(busy, what="a worker with a task in hand")
        pid, job = found[0]
        os.kill(pid, signal.SIGSTOP)
        if not _has_ended(stack, job):
            break
        os.kill(pid, signal.SIGCONT)
    try:
        yield job
    finally:
        os.kill(pid, signal.SIGCONT)


def _has_ended(stack: Stack, job: str) -> bool:
    """Whether the worker's log has told what the job took. Redis knows nothing of it."""
    assert stack.worker is not None
    ended = rf"job {re.escape(job)}: .* in [\d.]+ s"
    return re.search(ended, stack.worker.log.read_text()) is not None


def test_a_worker_that_was_given_up_and_comes_back_leaves_one_prediction_a_task(
    stack: Stack, annotator: Annotator, new_project: NewProject
) -> None:
    """Nothing is known any more of what it has in hand, so the other worker does all that, too."""
    project = new_project("Two workers, the same tasks")
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_until_finished(stack, project, 20)

    with _paused_in_a_job(stack) as job, redis.Redis.from_url(stack.redis_url) as connection:
        connection.flushall()
        JobQueue(connection).enqueue_sync(project.id)
        wait_for_run(stack, project)
        assert not _has_ended(stack, job)
    stack.wait_for(lambda: _has_ended(stack, job), what="the end of the job that was held up")
    wait_for_run(stack, project)

    assert check(stack, project) == {}


def test_a_new_reference_in_the_middle_of_a_run_begins_a_run_of_its_own(
    stack: Stack, annotator: Annotator, new_project: NewProject
) -> None:
    """Every task has one prediction of the new version, whether it had one of the old version or not."""
    project = new_project("A new reference")
    annotator.connect(project.id, stack.url)
    painted = project.annotate()
    wait_until_finished(stack, project, 20)
    old = stack.project(project.id)["model_version"]

    before = len(project.predicted(old))
    project.repaint(painted)
    wait_for_run(stack, project, not_version=old)

    assert 0 < before < len(project.tasks) - 50, f"not the middle of the run: {before} predictions"
    assert check(stack, project) == {}
