"""What is known of projects and tasks."""

from dataclasses import asdict

import pytest
from redis import Redis

from backend.jobs.keys import COUNTERS, PROJECTS, SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.progress import Progress, ReferenceNote, TaskProgress
from backend.jobs.queue import JobQueue

COIN = ReferenceNote("Coin", task=1, annotation=2, instances=1)


def test_an_unknown_project_has_no_generation(progress: Progress) -> None:
    project = progress.project(7)

    assert (project.model_version, project.references, project.reason, project.synced_s_ago) == (
        None,
        (),
        None,
        None,
    )
    assert progress.model_version(7) is None


def test_a_generation_is_new_once(progress: Progress) -> None:
    assert progress.set_generation(7, "v1", [COIN])
    assert not progress.set_generation(7, "v1", [COIN])
    assert progress.set_generation(7, "v2", [COIN])

    project = progress.project(7)
    assert (project.model_version, project.references) == ("v2", (COIN,))
    assert project.synced_s_ago == pytest.approx(0, abs=5)


def test_the_states_of_an_old_generation_are_dropped(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.record(7, "v1", TaskProgress(1, "done", instances=3))

    progress.set_generation(7, "v2", [COIN])

    assert progress.states(7, [1]) == {}
    assert progress.snapshot()["projects"][0]["counts"] == {}


def test_a_late_worker_cannot_write_into_a_new_generation(progress: Progress) -> None:
    progress.set_generation(7, "v2", [COIN])

    assert not progress.record(7, "v1", TaskProgress(1, "done"))
    assert progress.states(7, [1]) == {}


def test_a_project_may_lose_its_reference(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])

    assert progress.set_no_reference(7, "no annotation has a brush region")

    project = progress.project(7)
    assert (project.model_version, project.references) == (None, ())
    assert project.reason == "no annotation has a brush region"


def test_an_error_stays_until_the_next_sync_that_works(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.set_error(7, "Label Studio refused the token")

    assert progress.project(7).error == "Label Studio refused the token"
    assert progress.project(7).model_version == "v1"

    progress.set_generation(7, "v1", [COIN])
    assert progress.project(7).error is None


def test_an_error_of_a_project_never_synced_is_shown(progress: Progress) -> None:
    progress.set_error(7, "x" * 2000)

    assert progress.snapshot()["projects"][0]["error"] == "x" * 500
    assert progress.project(7).synced_s_ago == pytest.approx(0, abs=5)


def test_a_changed_label_config_is_noticed_once(progress: Progress) -> None:
    assert [progress.set_config(7, digest) for digest in ("a", "a", "b", "b")] == [True, False, True, False]


def test_whether_a_web_process_was_ever_asked_about_a_project_is_known(progress: Progress) -> None:
    """A sync alone does not say so: whoever asks for it may be on another Redis than the web process."""
    progress.set_no_reference(7, "none")
    before = progress.is_set_up(7)

    progress.set_config(7, "a")

    assert (before, progress.is_set_up(7)) == (False, True)


def test_the_counts_follow_the_tasks(progress: Progress, queue: JobQueue) -> None:
    progress.set_generation(7, "v1", [COIN])
    queue.enqueue_tasks(7, "v1", [1, 2, 3])
    progress.record(7, "v1", TaskProgress(1, "processing"))
    progress.record(7, "v1", TaskProgress(1, "done", instances=3, confidence=0.5, seconds=1.5))
    progress.record(7, "v1", TaskProgress(2, "failed", reason="not an image"))
    progress.remove_tasks(7, [3, 99])

    project = progress.snapshot()["projects"][0]
    assert project["counts"] == {"done": 1, "failed": 1}
    figures = ("id", "state", "instances", "confidence", "seconds", "reason", "limits")
    assert [[task[name] for name in figures] for task in project["tasks"]] == [
        [2, "failed", None, None, None, "not an image", []],
        [1, "done", 3, 0.5, 1.5, None, []],
    ]


def test_the_tasks_that_a_bound_stopped_are_counted_and_told(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.record(7, "v1", TaskProgress(1, "done", limits=("9 tiles of 25", "300 places")))
    progress.record(7, "v1", TaskProgress(2, "done", limits=("300 places",)))
    progress.record(7, "v1", TaskProgress(3, "done"))

    project = progress.snapshot()["projects"][0]

    assert project["limited"] == 2
    assert {task["id"]: task["limits"] for task in project["tasks"]} == {
        1: ["9 tiles of 25", "300 places"],
        2: ["300 places"],
        3: [],
    }
    assert ["300 places; 9 tiles of 25" in warning for warning in project["warnings"]] == [True]


def test_a_stopped_task_counts_once_and_until_it_is_queued_again_deleted_or_of_an_old_generation(
    progress: Progress, queue: JobQueue
) -> None:
    stopped = [TaskProgress(task_id, "failed", limits=("300 places",)) for task_id in (1, 2, 3, 3)]
    progress.set_generation(7, "v1", [COIN])
    for task in stopped:
        progress.record(7, "v1", task)
    counted = [_limited(progress)]

    queue.enqueue_tasks(7, "v1", [1])
    counted.append(_limited(progress))
    progress.remove_tasks(7, [2])
    counted.append(_limited(progress))
    progress.set_generation(7, "v2", [COIN])
    counted.append(_limited(progress))

    assert counted == [3, 2, 1, 0]
    assert progress.snapshot()["projects"][0]["warnings"] == []


def test_of_a_task_with_many_bounds_a_few_are_kept(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.record(7, "v1", TaskProgress(1, "done", limits=("x" * 2000,) * 9))

    (task,) = progress.snapshot()["projects"][0]["tasks"]
    assert task["limits"] == ["x" * 500] * 5


def _limited(progress: Progress) -> int:
    count: int = progress.snapshot()["projects"][0]["limited"]
    return count


def test_the_snapshot_of_a_large_project_stays_small_and_keeps_what_went_wrong(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.record(7, "v1", TaskProgress(1, "failed", reason="gone"))
    progress.record(7, "v1", TaskProgress(2, "done", limits=("300 places",)))
    for task_id in range(3, 302):
        progress.record(7, "v1", TaskProgress(task_id, "done"))

    project = progress.snapshot()["projects"][0]
    assert project["counts"] == {"done": 300, "failed": 1}
    assert [task["id"] for task in project["tasks"]] == [*range(301, 101, -1), 1, 2]


def test_the_snapshot_is_plain(progress: Progress, queue: JobQueue) -> None:
    queue.enqueue_sync(7)
    progress.set_generation(7, "v1", [COIN])
    progress.set_no_reference(8, "nothing annotated")

    snapshot = progress.snapshot()

    assert [project["id"] for project in snapshot["projects"]] == [8, 7]
    (reference,) = snapshot["projects"][1]["references"]
    assert reference.items() >= asdict(COIN).items()
    assert snapshot["projects"][1]["warnings"] == []
    assert snapshot["workers"] == []
    assert (snapshot["queue"]["waiting"], snapshot["queue"]["sync"]) == (1, 1)


def test_the_snapshot_warns_of_weak_references_as_long_as_they_are_used(progress: Progress) -> None:
    progress.set_generation(7, "v1", [COIN, ReferenceNote("Nut", 1, 2, 1, weak=True)])
    (warning,) = progress.snapshot()["projects"][0]["warnings"]

    progress.set_generation(7, "v2", [COIN])

    assert "'Nut' is weak" in warning
    assert "'Coin'" not in warning
    assert progress.snapshot()["projects"][0]["warnings"] == []


def test_a_project_can_be_forgotten(progress: Progress, connection: Redis) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.record(7, "v1", TaskProgress(2, "failed", limits=("300 places",)))

    progress.forget_project(7)

    assert progress.snapshot()["projects"] == []
    assert connection.keys() == [COUNTERS.encode()]
    assert progress.model_version(7) is None


def test_all_that_is_written_expires_some_time(
    progress: Progress, queue: JobQueue, connection: Redis
) -> None:
    progress.set_generation(7, "v1", [COIN])
    progress.set_config(8, "a")
    progress.set_error(9, "no")
    queue.enqueue_sync(7)
    queue.enqueue_tasks(7, "v1", [1])
    progress.record(7, "v1", TaskProgress(2, "failed", limits=("300 places",)))

    keys = [
        *(key for key in ProjectKeys(7).of_tasks() if key != PROJECTS and connection.exists(key)),
        ProjectKeys(7).sync,
        ProjectKeys(8).project,
        ProjectKeys(9).project,
    ]
    assert all(SECONDS_TO_LIVE - 60 < connection.ttl(key) <= SECONDS_TO_LIVE for key in keys)
