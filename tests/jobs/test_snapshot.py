"""What people see: the runs, the workers with the task in hand, the pictures, the failures."""

from redis import Redis
from rq import Worker
from rq.executions import prepare_execution

from backend.jobs.breaker import Breaker
from backend.jobs.pictures import Pictures
from backend.jobs.progress import Progress, ReferenceNote, TaskProgress
from backend.jobs.queue import PREDICT_QUEUE, JobQueue
from backend.jobs.runs import Runs
from backend.jobs.snapshot import project_snapshot, snapshot

VERSION = "oneshot-tiny-0a1b"


def begin(queue: JobQueue, progress: Progress, *task_ids: int) -> None:
    """Begin a run over these tasks."""
    progress.set_generation(2, VERSION, [ReferenceNote("Coin", 1, 7, 1), ReferenceNote("Nut", 1, 8, 1)])
    Runs(queue).begin_listing(2, VERSION)
    queue.enqueue_tasks(2, VERSION, task_ids)
    Runs(queue).note_page(2, VERSION, cursor=0, next_cursor=max(task_ids), left=0)


def test_a_worker_is_shown_with_the_task_that_it_took_last(
    connection: Redis, queue: JobQueue, progress: Progress
) -> None:
    begin(queue, progress, 1, 2)
    (job,) = queue.queue(PREDICT_QUEUE).get_jobs()
    for name in ("busy", "idle"):
        worker = Worker(queue.queues(), name=name, connection=connection)
        worker.register_birth()  # type: ignore[no-untyped-call]
        if name == "busy":
            prepare_execution(worker, job)
    for task_id in (1, 2):
        assert progress.take(2, VERSION, task_id, job.id) == "taken"

    busy, idle = snapshot(connection)["workers"]

    assert [busy[name] for name in ("name", "job", "project_id", "task_id")] == ["busy", job.id, 2, 2]
    assert 0 <= busy["busy_s"] < 10
    assert [idle[name] for name in ("name", "job", "task_id", "busy_s")] == ["idle", None, None, None]


def test_a_project_is_shown_with_its_run_and_what_is_pictured(
    connection: Redis, queue: JobQueue, progress: Progress
) -> None:
    begin(queue, progress, 1, 2, 3)
    progress.set_title(2, "Coins")
    progress.record(2, VERSION, TaskProgress(1, "done", instances=3))
    progress.record(2, VERSION, TaskProgress(2, "failed", reason="image 2 is gone"))
    pictures = Pictures(connection)
    pictures.put_references(2, {(7, "Coin"): b"jpeg"})
    for task_id in (1, 2):
        pictures.put_task(2, VERSION, task_id, b"jpeg")

    (project,) = snapshot(connection)["projects"]

    assert project["title"] == "Coins"
    assert (project["run"]["state"], project["run"]["total"]) == ("running", 3)
    assert project["counts"] == {"done": 1, "failed": 1, "queued": 1}
    assert [(each["label"], each["pictured"]) for each in project["references"]] == [
        ("Coin", True),
        ("Nut", False),
    ]
    assert [task["id"] for task in project["pictures"]] == [1]
    assert project["failures"] == [{"reason": "image 2 is gone", "count": 1, "tasks": [2]}]


def test_a_run_asked_for_is_shown_before_anything_is_known(connection: Redis, queue: JobQueue) -> None:
    Runs(queue).start(2)

    project = project_snapshot(connection, 2)

    assert project is not None
    assert project["run"]["state"] == "waiting"
    assert project_snapshot(connection, 3) is None


def test_an_outage_is_shown_with_its_reason(connection: Redis) -> None:
    assert snapshot(connection)["label_studio"]["down"] is False

    Breaker(connection).trip("connection refused")

    told = snapshot(connection)["label_studio"]
    assert (told["down"], told["reason"]) == (True, "connection refused")
    assert told["since_s_ago"] >= 0
    assert told["retry_in_s"] >= 0
