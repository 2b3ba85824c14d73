"""Each piece of work is queued once."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import LockError
from rq.job import Job, JobStatus

from backend.jobs.connection import connect
from backend.jobs.errors import PayloadError, QueueUnavailableError, SyncBusyError
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import ATTEMPTS_LEFT, OPENED_QUEUE, PREDICT_QUEUE, SYNC_QUEUE, JobQueue
from backend.jobs.request_id import current_request_id
from backend.jobs.runs import Runs

VERSION = "oneshot-mobilesam-0a"


@pytest.fixture
def project(progress: Progress) -> int:
    """A project that has a generation."""
    progress.set_generation(7, VERSION, [])
    return 7


def jobs(queue: JobQueue, name: str = PREDICT_QUEUE) -> list[Job]:
    """The waiting jobs of one queue."""
    return queue.queue(name).get_jobs()


def end_jobs(queue: JobQueue) -> None:
    """Lose all jobs of the bulk queue."""
    for job in jobs(queue):
        job.delete()


def end_job(queue: JobQueue, job: Job) -> None:
    """Take a job off its queue as a worker does that finished its tasks."""
    done = [TaskProgress(task_id, "done") for task_id in job.kwargs["task_ids"]]
    Progress(queue.connection).record_many(job.kwargs["project_id"], VERSION, done)
    queue.queue(job.origin).remove(job)
    job.set_status(JobStatus.FINISHED)


def served(queue: JobQueue, project_id: int) -> list[int]:
    """Finish all jobs of the bulk queue, one after the other; gives their tasks in that order."""
    tasks: list[int] = []
    for _ in range(100):
        waiting = jobs(queue)
        if not waiting:
            break
        assert len(waiting) <= 4
        tasks += waiting[0].kwargs["task_ids"]
        end_job(queue, waiting[0])
        queue.feed(project_id)
    return tasks


def age_carriers(connection: Redis, project_id: int) -> None:
    """Let the jobs that carry tasks be older than the grace of a new one."""
    carriers = ProjectKeys(project_id).carriers
    for job_id, carrier in cast("dict[bytes, bytes]", connection.hgetall(carriers)).items():
        connection.hset(carriers, job_id, json.dumps({**json.loads(carrier), "at": 0}))


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

    sync, predict, last = jobs(queue, SYNC_QUEUE)[0], *jobs(queue)
    assert (sync.func_name, sync.kwargs) == ("backend.worker.sync.sync_project", {"project_id": 7})
    assert predict.func_name == "backend.worker.tasks.predict_tasks"
    assert predict.kwargs == {"project_id": 7, "model_version": VERSION, "task_ids": [1, 2]}
    assert last.kwargs["task_ids"] == [3]


def test_jobs_end_some_time_and_are_tried_again(queue: JobQueue, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])

    job = jobs(queue)[0]
    assert job.timeout == 2 * 600
    assert (job.result_ttl, job.failure_ttl) == (300, 7 * 24 * 3600)
    assert job.retries_left == ATTEMPTS_LEFT


def test_one_sync_waits_at_most(queue: JobQueue) -> None:
    assert [queue.enqueue_sync(7) for _ in range(3)] == [True, False, False]
    assert queue.enqueue_sync(8)
    assert (queue.depths()["waiting"], queue.depths()["sync"]) == (2, 2)


def test_events_during_a_sync_lead_to_exactly_one_more(queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    queue.queue(SYNC_QUEUE).pop_job_id()
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
    job = jobs(queue, SYNC_QUEUE)[0]
    queue.sync_started(7)

    assert queue.sync_deferred(7, job.id)
    assert not queue.enqueue_sync(7)


def test_a_failed_sync_need_not_be_tried_again_when_another_waits(queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    failed = jobs(queue, SYNC_QUEUE)[0]
    queue.sync_started(7)
    queue.enqueue_sync(7)

    assert not queue.sync_deferred(7, failed.id)


def test_a_sync_that_may_wait_is_queued_once_when_it_is_due(queue: JobQueue) -> None:
    """Whoever wants it later does not put it off; project 8 has time."""
    wanted = [queue.sync_later(7, in_s=-1), queue.sync_later(7, in_s=50), queue.sync_later(8, in_s=50)]

    assert wanted == [True, False, True]
    assert not queue.sync_waits(7)
    assert [queue.enqueue_late_syncs() for _ in range(2)] == [1, 0]
    assert [job.kwargs["project_id"] for job in jobs(queue, SYNC_QUEUE)] == [7]


def test_a_sync_that_begins_does_what_a_later_one_was_to_do(queue: JobQueue) -> None:
    queue.sync_later(7, in_s=-1)
    queue.sync_started(7)

    assert queue.enqueue_late_syncs() == 0
    assert queue.sync_later(7, in_s=50)


def test_syncs_of_a_project_never_run_side_by_side(queue: JobQueue) -> None:
    with (
        queue.sync_lock(7),
        pytest.raises(SyncBusyError, match="another sync of project 7"),
        queue.sync_lock(7, wait_s=0.05),
    ):
        pass
    with queue.sync_lock(7, wait_s=0), queue.sync_lock(8, wait_s=0):
        pass


def test_a_sync_is_under_way_while_it_waits_and_while_it_runs(queue: JobQueue) -> None:
    found = [queue.sync_is_under_way(7)]
    queue.enqueue_sync(7)
    found.append(queue.sync_is_under_way(7))
    queue.sync_started(7)
    with queue.sync_lock(7, wait_s=0):
        found.append(queue.sync_is_under_way(7))
    found.append(queue.sync_is_under_way(7))

    assert found == [False, True, True, False]


def hold_sync_lock(queue: JobQueue, project_id: int, status: JobStatus) -> Job:
    """Let the lock be that of a job in that state, whose worker was killed."""
    queue.enqueue_sync(project_id)
    (job,) = jobs(queue, SYNC_QUEUE)
    job.set_status(status)
    queue.connection.set(ProjectKeys(project_id).sync_lock, f"{job.id} token", ex=120)
    return job


def test_a_sync_that_was_killed_is_tried_again_at_once(queue: JobQueue) -> None:
    """Its lock holds for two minutes, but nobody else runs this job; a job that runs keeps its lock."""
    job = hold_sync_lock(queue, 7, JobStatus.STARTED)

    with pytest.raises(SyncBusyError), queue.sync_lock(7, job_id="sync-7-another", wait_s=0):
        pass
    with queue.sync_lock(7, job_id=job.id, wait_s=0) as lock:
        assert lock.owned()


@pytest.mark.parametrize("status", [JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.FAILED])
def test_a_sync_that_was_killed_blocks_no_other_once_that_is_known(
    queue: JobQueue, status: JobStatus
) -> None:
    hold_sync_lock(queue, 7, status)

    with queue.sync_lock(7, job_id="sync-7-another", wait_s=0) as lock:
        assert lock.owned()


def test_an_attempt_that_was_given_up_does_not_keep_the_lock_that_the_next_has(queue: JobQueue) -> None:
    """It stood still, and goes on: it holds nothing, and gives nothing back."""
    with ExitStack() as next_attempt, ExitStack() as first_attempt:
        first = first_attempt.enter_context(queue.sync_lock(7, job_id="sync-7-a", wait_s=0))
        second = next_attempt.enter_context(queue.sync_lock(7, job_id="sync-7-a", wait_s=0))

        with pytest.raises(LockError):
            first.reacquire()
        first_attempt.close()
        assert second.owned()


def test_a_lock_lost_meanwhile_is_not_taken_from_its_new_owner(queue: JobQueue, connection: Redis) -> None:
    with queue.sync_lock(7):
        connection.set(ProjectKeys(7).sync_lock, "another")

    assert connection.get(ProjectKeys(7).sync_lock) == b"another"


def test_a_task_is_queued_once(queue: JobQueue, project: int) -> None:
    assert queue.enqueue_tasks(project, VERSION, [1, 2, 2, 1]) == 2
    assert queue.enqueue_tasks(project, VERSION, [2, 3]) == 1
    assert sorted(task for job in jobs(queue) for task in job.kwargs["task_ids"]) == [1, 2, 3]


def test_a_burst_of_requests_queues_each_task_once(queue: JobQueue, project: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        queued = list(pool.map(lambda _: queue.enqueue_tasks(project, VERSION, range(1, 41)), range(20)))

    assert sum(queued) == 40
    assert served(queue, project) == list(range(1, 41))


def test_of_a_large_project_few_jobs_are_made_at_a_time(queue: JobQueue, project: int) -> None:
    """The other tasks are pending: a bulk run takes little memory, and others have their turn."""
    assert queue.enqueue_tasks(project, VERSION, range(1, 1202)) == 1201
    assert (queue.depths()["predict"], queue.depths()["pending"]) == (4, 1201 - 4 * 2)


def test_the_next_jobs_come_as_the_first_end(queue: JobQueue, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, range(1, 12))

    assert served(queue, project) == list(range(1, 12))


def test_a_job_that_waits_to_be_tried_again_leaves_its_place(queue: JobQueue, project: int) -> None:
    """A few images on a slow server must not stop a run; but a server that is gone stops it some time."""
    queue.enqueue_tasks(project, VERSION, range(1, 1000))
    for _ in range(60):
        for job in jobs(queue):
            queue.queue(PREDICT_QUEUE).remove(job)
            job.set_status(JobStatus.SCHEDULED)
        queue.feed(project)

    assert queue.depths()["predict"] == 0
    assert queue.depths()["pending"] == 999 - 2 * 4 * 25


def test_projects_take_turns(queue: JobQueue, progress: Progress, project: int) -> None:
    """The second project's first job comes after at most the few that the first has on the queue."""
    progress.set_generation(8, VERSION, [])
    queue.enqueue_tasks(project, VERSION, range(1, 1000))
    queue.enqueue_tasks(8, VERSION, range(2001, 3000))
    turns: list[int] = []
    for _ in range(40):
        job = jobs(queue)[0]
        turns.append(job.kwargs["project_id"])
        end_job(queue, job)
        queue.feed(job.kwargs["project_id"])

    assert turns[:8] == [7] * 4 + [8] * 4
    assert turns.count(7) == turns.count(8) == 20


def sizes(queue: JobQueue, name: str = PREDICT_QUEUE) -> list[int]:
    """The number of tasks of each waiting job."""
    return [len(job.kwargs["task_ids"]) for job in jobs(queue, name)]


def computed(task_id: int, seconds: float) -> TaskProgress:
    """A task in which a model computed so long; fetching its image and the push took longer."""
    stages = {"fetch": 7.0, "encode": seconds / 2, "search": seconds / 4, "check": seconds / 4, "push": 9.0}
    return TaskProgress(task_id, "done", seconds=sum(stages.values()), stages=stages)


@pytest.mark.parametrize(("seconds", "tasks"), [(0.01, 16), (0.5, 10), (1.1, 5), (6.4, 4)])
def test_a_job_holds_as_many_tasks_as_take_a_few_seconds(
    connection: Redis, progress: Progress, project: int, seconds: float, tasks: int
) -> None:
    """Between 4 and the bound: so projects take turns, however long a task takes."""
    queue = JobQueue(connection, tasks_per_job=16)
    progress.record(project, VERSION, computed(1, seconds))

    queue.enqueue_tasks(project, VERSION, range(2, 200))

    assert sizes(queue) == [tasks] * 4


def test_a_job_is_small_while_nobody_knows_how_long_a_task_takes(connection: Redis, project: int) -> None:
    queue = JobQueue(connection, tasks_per_job=16)
    queue.enqueue_tasks(project, VERSION, range(2, 200))

    assert sizes(queue) == [4] * 4


def test_how_long_a_task_takes_follows_the_last_ones(
    connection: Redis, progress: Progress, project: int
) -> None:
    """Slow images change little; waiting for Label Studio nothing, nor what needs no computing."""
    progress.record_many(project, VERSION, [computed(task_id, 0.1) for task_id in range(1, 50)])
    progress.record_many(project, VERSION, [computed(50, 1.0), computed(51, 3.0)])
    progress.record(project, VERSION, TaskProgress(52, "skipped"))

    pace = connection.hget(ProjectKeys(project).project, "pace")

    assert float(cast("bytes", pace)) == pytest.approx(0.1 + 0.2 * 1.9)


def test_few_tasks_are_spread_over_the_workers(connection: Redis, progress: Progress, project: int) -> None:
    queue = JobQueue(connection, tasks_per_job=16)
    progress.record(project, VERSION, computed(1, 0.01))

    queue.enqueue_tasks(project, VERSION, range(2, 25))

    assert sizes(queue) == [6, 5, 4, 4]
    assert queue.depths()["pending"] == 4


def test_tasks_that_somebody_opened_are_spread_over_the_workers(connection: Redis, project: int) -> None:
    queue = JobQueue(connection, tasks_per_job=16)
    queue.enqueue_tasks(project, VERSION, range(1, 9), priority="opened")

    assert sizes(queue, OPENED_QUEUE) == [4, 4]


def test_more_workers_keep_more_jobs_at_hand(queue: JobQueue, connection: Redis, project: int) -> None:
    connection.sadd("rq:workers:oneshot-predict", *(f"rq:worker:{each}" for each in range(10)))

    queue.enqueue_tasks(project, VERSION, range(1, 1000))

    assert queue.depths()["predict"] == 20


def test_an_opened_task_does_not_wait_for_the_bulk_run(queue: JobQueue, project: int) -> None:
    """Whether a bulk job carries it or none yet; it is done once, by the urgent job."""
    queue.enqueue_tasks(project, VERSION, range(1, 100))

    assert queue.enqueue_tasks(project, VERSION, [1, 50], priority="opened") == 2
    assert queue.enqueue_tasks(project, VERSION, [1, 50], priority="opened") == 0

    (opened,) = jobs(queue, OPENED_QUEUE)
    assert opened.kwargs["task_ids"] == [1, 50]
    assert queue.queues().index(queue.queue(OPENED_QUEUE)) < queue.queues().index(queue.queue(PREDICT_QUEUE))


def test_a_task_is_worked_on_by_the_job_that_carries_it(
    queue: JobQueue, progress: Progress, project: int
) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2, 3])
    bulk = jobs(queue)[0].id
    queue.enqueue_tasks(project, VERSION, [1], priority="opened")
    opened = jobs(queue, OPENED_QUEUE)[0].id

    assert progress.take(project, VERSION, 1, bulk) == "elsewhere"
    assert progress.take(project, VERSION, 1, opened) == "taken"
    assert progress.take(project, VERSION, 2, bulk) == "taken"
    assert progress.take(project, "oneshot-mobilesam-old", 2, bulk) == "stale"
    assert progress.take(project, VERSION, 9, bulk) == "elsewhere"
    assert progress.states(project, [1, 2, 3]) == {1: "processing", 2: "processing", 3: "queued"}


def test_a_task_that_is_worked_on_is_not_taken_over(
    queue: JobQueue, progress: Progress, project: int
) -> None:
    queue.enqueue_tasks(project, VERSION, [1])
    progress.take(project, VERSION, 1, jobs(queue)[0].id)

    assert queue.enqueue_tasks(project, VERSION, [1], priority="opened") == 0


def test_the_tasks_of_a_lost_job_wait_again(queue: JobQueue, connection: Redis, project: int) -> None:
    """Its job was never written, or Redis lost it: the next feeding brings its tasks back."""
    queue.enqueue_tasks(project, VERSION, [1, 2, 3])
    for job in jobs(queue):
        connection.delete(job.key)
        connection.lrem(queue.queue(PREDICT_QUEUE).key, 1, job.id)
    assert queue.feed(project) == 0  # they may still be written
    age_carriers(connection, project)

    queue.feed_all()

    assert sorted(task for job in jobs(queue) for task in job.kwargs["task_ids"]) == [1, 2, 3]


def test_what_was_finished_after_label_studio_was_asked_is_not_queued_again(
    queue: JobQueue, progress: Progress, project: int
) -> None:
    """A page of tasks without a prediction is old news once the prediction is pushed."""
    seen_at = Runs(queue).now_s()
    progress.record(project, VERSION, TaskProgress(1, "done"))
    assert queue.enqueue_tasks(project, VERSION, [1], seen_at=seen_at) == 0

    later = Runs(queue).now_s()
    assert queue.enqueue_tasks(project, VERSION, [1], seen_at=later) == 1


def test_jobs_carry_the_id_of_the_request(queue: JobQueue, project: int) -> None:
    token = current_request_id.set("request-1")
    queue.enqueue_tasks(project, VERSION, [1])
    current_request_id.reset(token)
    queue.enqueue_tasks(project, VERSION, [2], priority="opened")

    assert jobs(queue)[0].meta == {"request_id": "request-1"}
    assert jobs(queue, OPENED_QUEUE)[0].meta == {}


def test_a_reconciliation_is_queued_once_per_interval(queue: JobQueue) -> None:
    assert [queue.enqueue_reconciliation(pause_s=60) for _ in range(3)] == [True, False, False]
    assert queue.depths()["sync"] == 1


def test_the_age_of_a_queue_is_that_of_its_first_job(queue: JobQueue, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1])

    ages = queue.ages()

    assert 0 <= ages["predict"] < 60
    assert ages["opened"] == 0


def test_a_task_in_the_works_is_not_queued_again(queue: JobQueue, progress: Progress, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1])
    progress.record(project, VERSION, TaskProgress(1, "processing"))

    assert queue.enqueue_tasks(project, VERSION, [1]) == 0


@pytest.mark.parametrize("state", ["done", "empty", "skipped", "failed"])
def test_a_settled_task_is_queued_again_when_asked_for(
    queue: JobQueue, progress: Progress, connection: Redis, project: int, state: Any
) -> None:
    """Label Studio asks only for tasks without a prediction: somebody deleted it, unless it has just come."""
    progress.record(project, VERSION, TaskProgress(1, state))
    assert queue.enqueue_tasks(project, VERSION, [1], retry_failed=False) == 0
    age_claims(connection, project, [1])

    assert queue.enqueue_tasks(project, VERSION, [1]) == 1


def test_a_sync_leaves_failed_tasks_alone(
    queue: JobQueue, progress: Progress, connection: Redis, project: int
) -> None:
    progress.record(project, VERSION, TaskProgress(1, "failed", reason="not an image"))
    progress.record(project, VERSION, TaskProgress(2, "done"))
    age_claims(connection, project, [1, 2])

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
    jobs(queue)[0].set_status(JobStatus.SCHEDULED)

    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 0


def test_the_claim_of_a_lost_job_ends_after_a_short_grace(
    queue: JobQueue, connection: Redis, project: int
) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])
    end_jobs(queue)

    assert queue.enqueue_tasks(project, VERSION, [1]) == 0
    age_claims(connection, project, [1])
    assert queue.enqueue_tasks(project, VERSION, [1, 2]) == 1


def test_the_claim_of_a_failed_job_ends(queue: JobQueue, project: int) -> None:
    queue.enqueue_tasks(project, VERSION, [1, 2])
    jobs(queue)[0].set_status(JobStatus.FAILED)

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
