"""What a sync leaves for the status page, beside the run."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from backend.jobs.learning import learning_snapshot
from backend.jobs.pictures import Pictures
from backend.jobs.queue import SYNC_QUEUE
from backend.vision.learned import NOTHING, Learned
from backend.worker.context import WorkerContext
from tests.worker.conftest import SIZE_HW, Project, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., Project]


def shown_reference(context: WorkerContext, found: Project) -> Any:
    """The picture of the only reference, (H, W, 3)."""
    (note,) = found["references"]
    jpeg = Pictures(context.connection).reference(PROJECT, note["annotation"], note["label"])
    assert jpeg is not None
    return np.asarray(Image.open(BytesIO(jpeg)).convert("RGB"), dtype=np.int16)


def test_the_project_has_its_title_and_a_picture_of_its_reference(
    full_context: WorkerContext, run_jobs: RunJobs
) -> None:
    """The mask lies over the painted disc; the ground around it is as grey as it was."""
    full_context.queue.enqueue_sync(PROJECT)
    found = run_jobs()
    picture = shown_reference(full_context, found)

    spread = picture.max(axis=-1) - picture.min(axis=-1)
    assert found["title"] == "Fake"
    assert found["references"][0]["pictured"]
    assert picture.shape == (*SIZE_HW, 3)
    assert np.median(spread[disc_mask()]) > 100
    assert np.median(spread[~disc_mask()]) < 20


def test_a_redis_that_came_back_empty_gets_the_pictures_again(
    full_context: WorkerContext, run_jobs: RunJobs
) -> None:
    """Also from a worker that kept the references, and fetches no image for them."""
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()
    full_context.connection.flushall()

    full_context.queue.enqueue_sync(PROJECT)
    found = run_jobs()

    assert shown_reference(full_context, found).shape == (*SIZE_HW, 3)


def test_a_generation_that_cannot_be_made_again_says_so_when_it_is_wanted(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """What it learned from was painted anew. What can be made again is not called so."""
    full_context.queue.enqueue_sync(PROJECT)
    first = run_jobs()["model_version"]
    fake.annotations.clear()
    fake.annotate(1, ~disc_mask())
    full_context.queue.enqueue_sync(PROJECT)
    second = run_jobs()["model_version"]

    full_context.known.make_current(PROJECT, first)
    found = run_jobs()
    told = {each["version"]: each["lost"] for each in found["learning"]["generations"]}
    full_context.known.make_current(PROJECT, second)
    found_again = run_jobs()

    assert found["model_version"] == found_again["model_version"] == second != first
    assert told == {first: True, second: False}
    assert {each["version"]: each["lost"] for each in found_again["learning"]["generations"]} == told


def test_wanting_a_lost_generation_does_not_undo_the_choice_before(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """The first is chosen, the second is lost with its annotation, the third would follow by itself."""

    def version_now() -> str:
        full_context.queue.enqueue_sync(PROJECT)
        return str(run_jobs()["model_version"])

    first = version_now()
    fake.ground_truths = 1
    fake.annotate(2, disc_mask(), ground_truth=True)
    second = version_now()
    fake.annotations[2].clear()
    fake.annotate(3, ~disc_mask(), ground_truth=True)
    third = version_now()
    full_context.known.make_current(PROJECT, first)
    chosen = run_jobs()["model_version"]

    full_context.known.make_current(PROJECT, second)
    after = run_jobs()["model_version"]

    assert len({first, second, third}) == 3
    assert (chosen, after, version_now()) == (first, first, first)


def test_what_was_found_is_drawn(full_context: WorkerContext, run_jobs: RunJobs) -> None:
    """At least the first one: a fast run draws a few a second."""
    full_context.queue.enqueue_sync(PROJECT)
    found = run_jobs()

    assert found["pictures"]
    first = found["pictures"][-1]
    assert Pictures(full_context.connection).task(PROJECT, first["id"])


def test_people_see_that_a_worker_learns(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: Callable[..., Project]
) -> None:
    """It may take minutes. Afterwards nobody learns any more."""
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    told: list[Any] = []

    def learn(*_: object, **__: object) -> Learned:
        told.append(learning_snapshot(full_context.connection, PROJECT)["learner"])
        return NOTHING

    full_context.queue.enqueue_sync(PROJECT)
    (job_id,) = full_context.queue.queue(SYNC_QUEUE).job_ids
    after = run_jobs(jobs=1, learn=learn)["learning"]["learner"]

    assert told == [{"job": job_id, "corrections": 1}]
    assert after is None
