"""A run is followed, cancelled, started again; its task list is read page by page."""

import pytest
from redis import Redis
from rq.job import Job, JobStatus

from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import PREDICT_QUEUE, SYNC_QUEUE, JobQueue
from backend.jobs.runs import RunProgress, Runs

VERSION = "oneshot-mobilesam-0a"


@pytest.fixture
def runs(queue: JobQueue) -> Runs:
    return Runs(queue)


@pytest.fixture
def begun(runs: Runs, progress: Progress) -> Runs:
    """A run of project 7 whose task list is to be read."""
    progress.set_generation(7, VERSION, [])
    assert runs.begin_listing(7, VERSION)
    return runs


def followed(runs: Runs) -> RunProgress:
    run = runs.run(7)
    assert run is not None
    return run


def list_jobs(queue: JobQueue) -> list[Job]:
    return [job for job in queue.queue(SYNC_QUEUE).get_jobs() if "list_tasks" in str(job.func_name)]


def end(queue: JobQueue, job: Job) -> None:
    """Take a job off its queue as a worker does that finished it."""
    queue.queue(job.origin).remove(job)
    job.set_status(JobStatus.FINISHED)
    queue.feed(7)


def read_page(queue: JobQueue, runs: Runs, task_ids: list[int], *, left: int) -> None:
    """Do what the job does that lists a page."""
    (job,) = list_jobs(queue)
    cursor = runs.cursor(7, VERSION)
    assert cursor is not None
    queue.enqueue_tasks(7, VERSION, task_ids, retry_failed=False, seen_at=runs.now_s())
    assert runs.note_page(7, VERSION, cursor=cursor, next_cursor=max([cursor, *task_ids]), left=left)
    end(queue, job)


def finish_all(queue: JobQueue, progress: Progress) -> list[int]:
    """Do what the bulk jobs on the queue do; gives their tasks."""
    done: list[int] = []
    for job in queue.queue(PREDICT_QUEUE).get_jobs():
        done += job.kwargs["task_ids"]
        progress.record_many(7, VERSION, [TaskProgress(each, "done") for each in job.kwargs["task_ids"]])
        end(queue, job)
    return done


def test_an_unknown_project_has_no_run(runs: Runs) -> None:
    assert runs.run(7) is None


def test_a_run_that_was_asked_for_waits_for_the_reference(runs: Runs, queue: JobQueue) -> None:
    assert runs.start(7)
    assert not runs.start(7)

    assert followed(runs).state == "waiting"
    assert followed(runs).asked_s_ago == pytest.approx(0, abs=5)
    assert queue.sync_waits(7)
    assert not queue.sync_waits(8)


def test_a_run_goes_from_its_list_to_its_end(begun: Runs, queue: JobQueue, progress: Progress) -> None:
    assert followed(begun).state == "listing"
    read_page(queue, begun, list(range(1, 11)), left=5)
    listing = followed(begun)
    read_page(queue, begun, list(range(11, 16)), left=0)
    running = followed(begun)
    for _ in range(10):
        finish_all(queue, progress)
    finished = followed(begun)

    assert (listing.state, listing.total, listing.counts) == ("listing", 15, {"queued": 10})
    assert (running.state, running.total) == ("running", 15)
    assert (finished.state, finished.counts, finished.left) == ("finished", {"done": 15}, 0)
    assert finished.ended_s_ago == pytest.approx(0, abs=5)


def test_the_rate_and_the_time_left_follow_from_what_was_finished(
    begun: Runs, queue: JobQueue, progress: Progress, connection: Redis
) -> None:
    read_page(queue, begun, list(range(1, 21)), left=0)
    progress.record_many(7, VERSION, [TaskProgress(each, "done") for each in range(1, 11)])
    now_s = begun.now_s()
    for index in range(1, 11):
        connection.zadd(ProjectKeys(7).recent, {str(index): now_s - 2 * index})

    run = followed(begun)

    assert run.rate_per_minute == pytest.approx(27, abs=3)  # 9 gaps in 20 s
    assert run.seconds_left == pytest.approx(22, abs=3)


def test_the_next_page_is_read_when_few_tasks_are_pending(
    begun: Runs, queue: JobQueue, progress: Progress
) -> None:
    """So 100,000 tasks take no memory, and the list holds up nobody."""
    read_page(queue, begun, list(range(1, 101)), left=900)
    read_page(queue, begun, list(range(101, 201)), left=800)

    assert queue.depths()["pending"] > 100
    assert list_jobs(queue) == []
    while queue.depths()["pending"] >= 100:
        finish_all(queue, progress)
    assert len(list_jobs(queue)) == 1


@pytest.mark.usefixtures("begun")
def test_a_list_whose_job_was_lost_is_read_on(queue: JobQueue, connection: Redis) -> None:
    (job,) = list_jobs(queue)
    queue.queue(SYNC_QUEUE).remove(job)
    connection.delete(job.key)
    connection.hset(ProjectKeys(7).run, "job_at", "0")

    queue.feed_all()

    assert len(list_jobs(queue)) == 1


def test_a_sync_during_the_list_has_it_read_once_more(begun: Runs, queue: JobQueue) -> None:
    read_page(queue, begun, [1, 2], left=3)
    begun.begin_listing(7, VERSION)
    read_page(queue, begun, [3, 4, 5], left=0)

    assert begun.cursor(7, VERSION) == 0
    read_page(queue, begun, [1, 2, 3, 4, 5], left=0)
    assert begun.cursor(7, VERSION) is None
    assert followed(begun).counts == {"queued": 5}


def test_a_sync_after_the_end_finds_what_is_new_and_leaves_the_end_otherwise(
    begun: Runs, queue: JobQueue, progress: Progress
) -> None:
    read_page(queue, begun, [1], left=0)
    finish_all(queue, progress)
    begun.begin_listing(7, VERSION)
    assert followed(begun).state == "finished"
    read_page(queue, begun, [], left=0)
    assert followed(begun).state == "finished"

    begun.begin_listing(7, VERSION)
    read_page(queue, begun, [2], left=0)

    assert (followed(begun).state, followed(begun).counts) == ("running", {"done": 1, "queued": 1})
    assert followed(begun).ended_s_ago is None


def test_a_cancelled_run_drops_what_it_has_not_begun(
    begun: Runs, queue: JobQueue, progress: Progress
) -> None:
    read_page(queue, begun, list(range(1, 101)), left=50)
    first = queue.queue(PREDICT_QUEUE).get_jobs()[0]
    assert progress.take(7, VERSION, 1, first.id) == "taken"

    assert begun.cancel(7) == 99 + 50

    assert (followed(begun).state, followed(begun).counts) == ("cancelled", {"processing": 1})
    assert progress.take(7, VERSION, 2, first.id) == "elsewhere"
    assert progress.record(7, VERSION, TaskProgress(1, "done"))
    assert followed(begun).counts == {"done": 1}


def test_a_cancelled_run_stays_cancelled_until_a_person_starts_it_or_paints_anew(
    begun: Runs, queue: JobQueue, progress: Progress
) -> None:
    read_page(queue, begun, [1, 2, 3], left=0)
    begun.cancel(7)
    assert not begun.begin_listing(7, VERSION)

    begun.start(7)
    assert begun.begin_listing(7, VERSION)
    assert followed(begun).state == "listing"

    begun.cancel(7)
    progress.set_generation(7, "oneshot-mobilesam-0b", [])
    assert begun.begin_listing(7, "oneshot-mobilesam-0b")


def test_an_opened_task_is_done_in_spite_of_the_cancellation(begun: Runs, queue: JobQueue) -> None:
    read_page(queue, begun, [1, 2], left=0)
    begun.cancel(7)

    assert queue.enqueue_tasks(7, VERSION, [1], priority="opened") == 1


def test_failed_tasks_are_tried_again_on_request(begun: Runs, queue: JobQueue, progress: Progress) -> None:
    read_page(queue, begun, [1, 2, 3], left=0)
    finish_all(queue, progress)
    failed = [TaskProgress(each, "failed", reason="gone") for each in (1, 2)]
    progress.record_many(7, VERSION, failed)

    assert begun.retry_failed(7) == 2
    assert begun.retry_failed(7) == 0

    assert (followed(begun).state, followed(begun).counts) == ("running", {"done": 1, "queued": 2})


def test_without_a_generation_there_is_nothing_to_try_again(runs: Runs) -> None:
    assert runs.retry_failed(7) == 0


def test_a_run_that_cannot_start_says_why_and_one_that_goes_on_goes_on(begun: Runs, queue: JobQueue) -> None:
    read_page(queue, begun, [1, 2], left=0)
    begun.fail(7, "refused")
    assert followed(begun).state == "running"

    begun.start(7)
    begun.fail(7, "refused")
    assert (followed(begun).state, followed(begun).reason) == ("failed", "refused")


def test_an_older_generation_lists_nothing(begun: Runs, progress: Progress) -> None:
    progress.set_generation(7, "oneshot-mobilesam-0b", [])

    assert begun.cursor(7, VERSION) is None
    assert not begun.note_page(7, VERSION, cursor=0, next_cursor=5, left=1)
    assert not begun.begin_listing(7, VERSION)
    assert begun.run(7) is None


def test_a_page_that_was_read_twice_counts_once(begun: Runs) -> None:
    assert begun.note_page(7, VERSION, cursor=0, next_cursor=5, left=1)
    assert not begun.note_page(7, VERSION, cursor=0, next_cursor=5, left=1)
