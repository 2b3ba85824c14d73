"""What was missed is found: forgotten projects, and references and predictions that changed unseen."""

from collections.abc import Callable
from typing import Any

from backend.jobs.keys import RECONCILED
from backend.jobs.push_locks import PushLocks
from backend.worker.context import WorkerContext
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]


def test_a_redis_that_came_back_empty_is_filled_again(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """The project is known by the version that Label Studio was told; what is predicted stays as it is."""
    full_context.queue.enqueue_sync(PROJECT)
    version = run_jobs()["model_version"]
    fake.backend_versions = [version]
    del fake.predictions[0]
    full_context.connection.flushall()

    full_context.queue.enqueue_reconciliation(pause_s=60)
    project = run_jobs()

    assert project["model_version"] == version
    assert fake.predicted() == [2, 3]
    assert project["counts"].get("queued", 0) == 0


def test_what_was_predicted_before_redis_came_back_empty_counts_as_done(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Else the run of a project of thousands would be one of the few that were left; no task counts twice."""
    for _ in range(7):
        fake.add_task(disc())
    full_context.queue.enqueue_sync(PROJECT)
    fake.backend_versions = [run_jobs()["model_version"]]
    fake.predictions[:] = [each for each in fake.predictions if each["task"] not in (4, 5)]
    full_context.connection.flushall()

    full_context.queue.enqueue_reconciliation(pause_s=60)
    run_jobs()

    run = full_context.runs.run(PROJECT)
    assert run is not None
    assert (run.state, run.total, run.before, sum(run.counts.values())) == ("finished", 9, 7, 2)
    fake.predictions[:] = [each for each in fake.predictions if each["task"] != 6]
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()
    again = full_context.runs.run(PROJECT)
    assert again is not None
    assert (again.total, again.before, sum(again.counts.values())) == (9, 6, 3)


def test_what_the_run_did_itself_was_not_there_before(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    for deleted in ((), (3,), ()):
        fake.predictions[:] = [each for each in fake.predictions if each["task"] not in deleted]
        full_context.queue.enqueue_sync(PROJECT)
        run_jobs()

        run = full_context.runs.run(PROJECT)
        assert run is not None
        assert (run.total, run.before) == (2, 0)


def test_a_project_of_another_backend_is_left_alone(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.backend_versions = ["yolo-1"]

    full_context.queue.enqueue_reconciliation(pause_s=60)

    assert run_jobs() == {}
    assert fake.predicted() == []
    asked = fake.requests.count("GET /api/ml/")
    full_context.connection.delete(RECONCILED)
    full_context.queue.enqueue_reconciliation(pause_s=60)
    run_jobs()
    assert fake.requests.count("GET /api/ml/") == asked  # it is not asked about again at once


def test_a_prediction_deleted_by_hand_comes_back(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()
    fake.predictions[:] = [each for each in fake.predictions if each["task"] != 3]

    full_context.queue.enqueue_reconciliation(pause_s=60)
    run_jobs()

    assert fake.predicted() == [2, 3]


def test_a_reference_whose_webhook_never_came_is_found(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    old = run_jobs()["model_version"]
    fake.annotations.clear()
    fake.annotate(1, disc_mask()[:, ::-1])

    full_context.queue.enqueue_reconciliation(pause_s=60)
    new = run_jobs()["model_version"]

    assert new != old
    assert {each["model_version"] for each in fake.predictions if each["task"] == 3} >= {new}


def test_of_two_predictions_of_a_version_the_newer_stays(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Label Studio may store what its answer was waited for too long, after it was sent again."""
    full_context.queue.enqueue_sync(PROJECT)
    version = run_jobs()["model_version"]
    newer = {"id": 900, "task": 2, "model_version": version, "result": []}
    others = [
        {**newer, "id": 901, "task": 3, "model_version": "oneshot-older"},  # of another version: no surplus
        {**newer, "id": 902, "task": 1},  # a person has annotated this one, perhaps from the first of both
        {**newer, "id": 903, "task": 1},
    ]
    fake.predictions += [newer, *others]

    full_context.queue.enqueue_reconciliation(pause_s=60)
    run_jobs()

    assert [each["id"] for each in fake.predictions if each["task"] == 2] == [900]
    assert fake.predicted() == [1, 1, 2, 3, 3]


def test_what_another_worker_pushes_is_left_to_it(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    version = run_jobs()["model_version"]
    fake.predictions.append({"id": 900, "task": 2, "model_version": version, "result": []})

    with PushLocks(full_context.connection, PROJECT).hold([2]):
        full_context.queue.enqueue_reconciliation(pause_s=60)
        run_jobs()

    assert fake.predicted() == [2, 2, 3]
