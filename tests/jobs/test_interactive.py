"""Questions and answers, on a real Valkey."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.errors import PayloadError
from backend.jobs.interactive import MOST_BYTES, Question, Questions
from backend.jobs.queue import INTERACTIVE_QUEUE, JobQueue

REGION = {"type": "keypointlabels", "value": {"x": 1, "y": 2}}
QUESTION = Question(7, 5, (REGION,))


@pytest.fixture(name="questions")
def _questions(queue: JobQueue) -> Questions:
    return Questions(queue)


def jobs(queue: JobQueue) -> list[Any]:
    return queue.queue(INTERACTIVE_QUEUE).get_jobs()


def a_worker(url: str, does: Callable[[Questions, Any], None]) -> threading.Thread:
    """Something that takes the next job, and does that with it."""

    def run() -> None:
        with connect(url) as connection:
            queue = JobQueue(connection)
            while not (found := jobs(queue)):
                time.sleep(0.01)
            does(Questions(queue), found[0])

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_answer_comes_as_soon_as_a_worker_has_it(
    questions: Questions, queue: JobQueue, shared_valkey: str
) -> None:
    worker = a_worker(shared_valkey, lambda theirs, job: theirs.answer(job.id, [{"id": "a"}]))
    started = time.monotonic()

    assert questions.ask(QUESTION, wait_s=30) == [{"id": "a"}]
    assert time.monotonic() - started < 10
    worker.join()
    (job,) = jobs(queue)
    assert job.kwargs == {"project_id": 7, "task_id": 5, "regions": [REGION], "similar": False, "known": []}
    assert Question(**job.kwargs) == QUESTION


def test_nothing_found_is_an_answer_too(questions: Questions, shared_valkey: str) -> None:
    worker = a_worker(shared_valkey, lambda theirs, job: theirs.answer(job.id, []))

    assert questions.ask(QUESTION, wait_s=30) == []
    worker.join()


def test_who_waited_long_enough_waits_no_more(questions: Questions, queue: JobQueue) -> None:
    started = time.monotonic()

    assert questions.ask(QUESTION, wait_s=0.3) is None
    assert 0.3 <= time.monotonic() - started < 5
    (job,) = jobs(queue)
    assert not questions.is_awaited(job.id)
    assert not job.retries_left


def test_a_question_is_awaited_until_then(questions: Questions, shared_valkey: str) -> None:
    seen = []

    def look(theirs: Questions, job: Any) -> None:
        seen.append(theirs.is_awaited(job.id))
        theirs.answer(job.id, [])

    worker = a_worker(shared_valkey, look)
    questions.ask(QUESTION, wait_s=30)
    worker.join()

    assert seen == [True]


def test_all_that_is_left_behind_expires(questions: Questions, queue: JobQueue, connection: Redis) -> None:
    questions.ask(QUESTION, wait_s=0.1)
    (job,) = jobs(queue)
    assert 0 < connection.ttl(job.key) <= 61
    questions.answer(job.id, [])  # too late

    assert 0 < connection.ttl(f"oneshot:answered:{job.id}") <= 60
    assert not connection.exists(f"oneshot:asked:{job.id}")


def test_what_cannot_be_a_question_is_refused(questions: Questions, queue: JobQueue) -> None:
    with pytest.raises(PayloadError, match="task_id"):
        Question(7, 0, ())
    with pytest.raises(PayloadError, match="JSON objects"):
        Question(7, 5, ("a",))  # type: ignore[arg-type]
    with pytest.raises(PayloadError, match="fewer"):
        questions.ask(Question(7, 5, ({"rle": "1" * MOST_BYTES},)), wait_s=0.1)
    assert jobs(queue) == []


def test_what_is_known_goes_along_unless_it_is_too_much(questions: Questions, queue: JobQueue) -> None:
    """Without it something may come twice; that is better than nothing."""
    for known in ({"id": "a"}, {"rle": "1" * MOST_BYTES}):
        questions.ask(Question(7, 5, (REGION,), known=(known,)), wait_s=0.1)

    assert [job.kwargs["known"] for job in jobs(queue)] == [[{"id": "a"}], []]
