"""Each piece of work is queued once."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from rq.job import Job, JobStatus

from backend.jobs.connection import connect
from backend.jobs.errors import PayloadError, QueueUnavailableError, SyncBusyError
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import JobQueue

VERSION = "oneshot-mobilesam-0a"


@pytest.fixture
def project(progress: Progress) -> int:
    """A project that has a generation."""
    progress.set_generation(7, VERSION, [])
    return 7


def jobs(queue: JobQueue, index: int) -> list[Job]:
    """The waiting jobs of the sync queue (0) or the predict queue (1)."""
    return queue.queues()[index].get_jobs()


def end_jobs(queue: JobQueue) -> None:
    """Take all jobs off the queue as a worker does that finished them."""
    for job in jobs(queue, 1):
        job.delete()


def age_claims(connection: Redis, project_id: int, task_ids: list[int]) -> None:
    """Let the claims on tasks be older than the grace of a new claim."""
    tasks = ProjectKeys(project_id).tasks
    for task_id in task_ids:
        entry = connection.hget(tasks, str(task_id))
        assert isinstance(entry, bytes)
        connection.hset(tasks, str(task_id), json.dumps({**json.loads(entry), "at": 0}))


def test_jobs_carry_ids_as_json_and_a_path_instead_of_code(queue: JobQueue, project: int) -> None:
    queue.enqueue_sync(project)
    queue.enqueue_tasks(project, VERSION, [1, 2, 3])

    sync, predict, last = jobs(queue, 0)[0], *jobs(queue, 1)
    assert (sync.func_name, sync.kwargs) == ("backend.worker.tasks.sync_project", {"project_id": 7})
    assert predict.func_name == "backend.worker.tasks.predict_tasks"
    assert predict.kwargs == {"project_id": 7, "model_version": VERSION, "task_ids": [1, 2]}
    assert last.kwargs["task_ids"] == [3]


def test_jobs_end_some_time_and_are_tried_again_with_growing_pauses(queue: JobQueue, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])

    job = jobs(queue, 1)[0]
    assert job.timeout == 2 * 600
    assert (job.result_ttl, job.failure_ttl) == (300, 7 * 24 * 3600)
    assert job.retry_intervals == sorted(job.retry_intervals or [])
    assert job.retries_left == len(job.retry_intervals or [])


def test_one_sync_waits_at_most(queue: JobQueue) -> None:
    assert [queue.enqueue_sync(7) for _ in range(3)] == [True, False, False]
    assert queue.enqueue_sync(8)
    assert queue.depths() == {"waiting": 2, "sync": 2, "predict": 0, "retrying": 0}


def test_events_during_a_sync_lead_to_exactly_one_more(queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    queue.queues()[0].pop_job_id()
    queue.sync_started(7)

    assert [queue.enqueue_sync(7) for _ in range(3)] == [True, False, False]


def test_a_burst_of_events_queues_one_sync(queue: JobQueue) -> None:
    with ThreadPoolExecutor(8) as pool:
        queued = list(pool.map(lambda _: queue.enqueue_sync(7), range(100)))

    assert sum(queued) == 1
    assert queue.depths()["sync"] == 1


def test_a_sync_whose_job_is_lost_does_not_block_the_next(queue: JobQueue, connection: Redis) -> None:
    connection.set(ProjectKeys(7).sync, "sync-7-lost 0.000")

    assert queue.enqueue_sync(7)


def test_a_sync_that_waits_to_be_tried_again_counts_as_waiting(queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    job = jobs(queue, 0)[0]
    queue.sync_started(7)

    assert queue.sync_deferred(7, job.id)
    assert not queue.enqueue_sync(7)


def test_a_failed_sync_need_not_be_tried_again_when_another_waits(queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    failed = jobs(queue, 0)[0]
    queue.sync_started(7)
    queue.enqueue_sync(7)

    assert not queue.sync_deferred(7, failed.id)


def test_syncs_of_a_project_never_run_side_by_side(queue: JobQueue) -> None:
    with (
        queue.sync_lock(7),
        pytest.raises(SyncBusyError, match="another sync of project 7"),
        queue.sync_lock(7, wait_s=0.05),
    ):
        pass
    with queue.sync_lock(7, wait_s=0), queue.sync_lock(8, wait_s=0):
        pass


def test_a_lock_lost_meanwhile_is_not_taken_from_its_new_owner(queue: JobQueue, connection: Redis) -> None:
    with queue.sync_lock(7):
        connection.set(ProjectKeys(7).sync_lock, "another")

    assert connection.get(ProjectKeys(7).sync_lock) == b"another"


def test_a_task_is_queued_once(queue: JobQueue, project: int) -> None:
    assert queue.enqueue_tasks(project, VERSION, [1, 2, 2, 1]) == 2
    assert queue.enqueue_tasks(project, VERSION, [2, 3]) == 1
    assert sorted(task for job in jobs(queue, 1) for task in job.kwargs["task_ids"]) == [1, 2, 3]


def test_a_burst_of_requests_queues_each_task_once(queue: JobQueue, project: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        queued = list(pool.map(lambda _: queue.enqueue_tasks(project, VERSION, range(1, 41)), range(20)))

    assert sum(queued) == 40
    assert sorted(task for job in jobs(queue, 1) for task in job.kwargs["task_ids"]) == list(range(1, 41))


def test_a_large_project_is_queued_in_several_steps(queue: JobQueue, project: int) -> None:
    assert queue.enqueue_tasks(project, VERSION, range(1, 1202)) == 1201
    assert queue.depths()["predict"] == 601


def test_a_task_in_the_works_is_not_queued_again(queue: JobQueue, progress: Progress, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1])
    progress.record(project, VERSION, TaskProgress(1, "processing"))

    assert queue.enqueue_tasks(project, VERSION, [1]) == 0


@pytest.mark.parametrize("state", ["done", "empty", "skipped", "failed"])
def test_a_settled_task_is_queued_again_when_asked_for(
    queue: JobQueue, progress: Progress, project: int, state: Any
) -> None:
    """Label Studio asks only for tasks without a prediction: somebody deleted it."""
    progress.record(project, VERSION, TaskProgress(1, state))

    assert queue.enqueue_tasks(project, VERSION, [1]) == 1


def test_a_sync_leaves_failed_tasks_alone(queue: JobQueue, progress: Progress, project: int) -> None:
    progress.record(project, VERSION, TaskProgress(1, "failed", reason="not an image"))
    progress.record(project, VERSION, TaskProgress(2, "done"))

    assert queue.enqueue_tasks(project, VERSION, [1, 2], retry_failed=False) == 1
    assert progress.states(project, [1, 2]) == {1: "failed", 2: "queued"}


def test_nothing_is_queued_for_another_generation(queue: JobQueue, project: int) -> None:
    assert queue.enqueue_tasks(project, "oneshot-mobilesam-old", [1]) == 0
    assert queue.enqueue_tasks(8, VERSION, [1]) == 0


def test_the_claim_of_a_waiting_job_never_expires(queue: JobQueue, connection: Redis, project: int) -> None:
    """A bulk run may wait for days."""
    queue.enqueue_tasks(project, VERSION, [1, 2])
    age_claims(connection, project, [1, 2])

    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 0


def test_the_claim_of_a_job_to_be_tried_again_holds(queue: JobQueue, connection: Redis, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])
    age_claims(connection, project, [1, 2])
    jobs(queue, 1)[0].set_status(JobStatus.SCHEDULED)

    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 0


def test_the_claim_of_a_lost_job_ends_after_a_short_grace(
    queue: JobQueue, connection: Redis, project: int
) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])
    end_jobs(queue)

    assert queue.enqueue_tasks(project, VERSION, [1]) == 0
    age_claims(connection, project, [1])
    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 1


def test_the_claim_of_a_failed_job_ends(queue: JobQueue, connection: Redis, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])
    jobs(queue, 1)[0].set_status(JobStatus.FAILED)
    age_claims(connection, project, [1, 2])

    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 2


def test_ids_are_checked_before_anything_is_claimed(queue: JobQueue, connection: Redis, project: int) -> None:
    with pytest.raises(PayloadError):
        queue.enqueue_tasks(project, VERSION, [1, -1])

    assert not connection.exists(ProjectKeys(project).tasks)


def test_everything_says_when_redis_is_gone() -> None:
    gone = JobQueue(connect("redis://127.0.0.1:1/0"))

    for call in (
        gone.ping,
        gone.depths,
        lambda: gone.enqueue_sync(1),
        lambda: gone.enqueue_tasks(1, "v", [1]),
    ):
        with pytest.raises(QueueUnavailableError):
            call()
