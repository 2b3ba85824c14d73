"""A warm-up goes from page to page, can be ended, and is started by itself once."""

import pytest
from redis import Redis

from backend.jobs.keys import ProjectKeys
from backend.jobs.queue import WARM_UP_QUEUE, JobQueue
from backend.jobs.runs import Runs
from backend.jobs.warm_ups import WarmUpProgress, WarmUps


@pytest.fixture
def warm_ups(queue: JobQueue) -> WarmUps:
    return WarmUps(queue)


def token_of(connection: Redis) -> str:
    token = connection.hget(ProjectKeys(7).warm_up, "token")
    assert isinstance(token, bytes)
    return token.decode()


def test_a_warm_up_runs_once_at_a_time(warm_ups: WarmUps, queue: JobQueue) -> None:
    assert warm_ups.start(7)
    assert not warm_ups.start(7)

    (job,) = queue.queue(WARM_UP_QUEUE).get_jobs()
    assert job.func_name == "backend.worker.warmup.warm_up"
    assert (job.kwargs["project_id"], job.kwargs["after_id"]) == (7, 0)


def test_the_next_page_is_queued_once(warm_ups: WarmUps, queue: JobQueue, connection: Redis) -> None:
    """Its job says so before it computes; tried again, it says so twice."""
    warm_ups.start(7)

    assert warm_ups.go_on(7, token_of(connection), after_id=8)
    assert warm_ups.go_on(7, token_of(connection), after_id=8)

    assert [job.kwargs["after_id"] for job in queue.queue(WARM_UP_QUEUE).get_jobs()] == [0, 8]


def test_it_ends_with_the_last_page_though_others_finish_later(warm_ups: WarmUps, connection: Redis) -> None:
    warm_ups.start(7)
    token = token_of(connection)
    assert warm_ups.note(7, token, done=8, failed=0, left=3)
    assert warm_ups.note(7, token, done=2, failed=1, left=0)
    assert warm_ups.note(7, token, done=8, failed=0, left=3)

    assert warm_ups.progress(7) == WarmUpProgress("finished", done=18, failed=1, left=0)


def test_a_cancelled_warm_up_does_nothing_more(warm_ups: WarmUps, queue: JobQueue, connection: Redis) -> None:
    """Cancelling the run ends it as well."""
    warm_ups.start(7)
    token = token_of(connection)
    Runs(queue).cancel(7)

    assert not warm_ups.is_wanted(7, token)
    assert not warm_ups.go_on(7, token, after_id=8)
    assert not warm_ups.note(7, token, done=1, failed=0, left=5)


def test_a_project_is_warmed_up_by_itself_once_and_again_on_request(warm_ups: WarmUps) -> None:
    assert warm_ups.progress(7) is None
    assert warm_ups.start(7, once=True)
    warm_ups.cancel(7)

    assert not warm_ups.start(7, once=True)
    assert warm_ups.start(7)


def test_a_warm_up_whose_job_is_lost_is_started_again(
    warm_ups: WarmUps, queue: JobQueue, connection: Redis
) -> None:
    """Redis lost its last second with the job: nobody would ever go on, and the button would do nothing."""
    warm_ups.start(7)
    warm_ups.go_on(7, token_of(connection), after_id=8)
    for job in queue.queue(WARM_UP_QUEUE).get_jobs():
        job.delete()

    assert warm_ups.start(7, once=True)

    assert [job.kwargs["after_id"] for job in queue.queue(WARM_UP_QUEUE).get_jobs()] == [0]
    assert not warm_ups.start(7, once=True)


def test_a_warm_up_that_was_given_up_ends(warm_ups: WarmUps, connection: Redis) -> None:
    """Not to begin again by itself: whatever ended it may end it again. A person may start another."""
    warm_ups.start(7)
    first = token_of(connection)
    warm_ups.give_up(7, first)
    state = warm_ups.progress(7)
    assert state is not None
    assert state.state == "cancelled"

    assert not warm_ups.start(7, once=True)
    assert warm_ups.start(7)
    warm_ups.give_up(7, first)
    assert warm_ups.is_wanted(7, token_of(connection))
