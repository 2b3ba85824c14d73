"""What a worker counts of the reviews, against a fake Label Studio."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.jobs.agreement import Agreement, Agreements, ProjectAgreement
from backend.labelstudio.client import Project
from backend.worker.agreement import note_agreement
from backend.worker.context import WorkerContext
from tests.worker.conftest import SIZE_HW, disc_mask
from tests.worker.fake_label_studio import LABEL_CONFIG, PROJECT, FakeLabelStudio, region

VERSION = "oneshot-tiny-0a1b"
THE_PROJECT = Project(PROJECT, "Fake", LABEL_CONFIG, VERSION)


def corner() -> NDArray[np.bool_]:
    """A square far from the disc."""
    mask = np.zeros(SIZE_HW, bool)
    mask[-8:, -8:] = True
    return mask


def review(fake: FakeLabelStudio, task_id: int, *submitted: dict[str, Any], version: str = VERSION) -> int:
    """Have the disc predicted in a task, and a person submit regions instead."""
    prediction_id = len(fake.predictions) + 1
    predicted = {**region(disc_mask()), "id": f"found-{task_id}", "origin": "prediction"}
    fake.predictions.append(
        {"id": prediction_id, "task": task_id, "model_version": version, "result": [predicted]}
    )
    annotation_id = 100 + prediction_id
    fake.annotations.setdefault(task_id, []).append(
        {"id": annotation_id, "result": list(submitted), "parent_prediction": prediction_id}
    )
    return annotation_id


def counted(context: WorkerContext, at_once_s: float = 60) -> ProjectAgreement:
    """What is known after one more look."""
    note_agreement(context, THE_PROJECT, at_once_s=at_once_s)
    return Agreements(context.connection).of_project(PROJECT)


def test_reviews_are_counted_by_generation_and_label(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    review(fake, 2, {**region(disc_mask()), "id": "found-2", "origin": "prediction"})
    review(fake, 3, region(corner()), version="oneshot-tiny-ffff")

    old, new = counted(full_context).generations

    assert (old.model_version, old.labels) == (VERSION, {"Coin": Agreement(1, kept=1, iou_sum=1)})
    assert (new.model_version, new.labels) == (
        "oneshot-tiny-ffff",
        {"Coin": Agreement(1, deleted=1, added=1)},
    )


def test_only_tasks_that_changed_are_downloaded_again(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Label Studio notes when a task changed last; the fake one shows it by its annotations' ids only."""
    review(fake, 2, region(corner()))
    before = counted(full_context)
    fake.requests.clear()

    assert counted(full_context) == before
    assert fake.requests == ["GET /api/tasks/"]


def test_a_deleted_annotation_does_not_count_any_more(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    review(fake, 2, region(corner()))
    counted(full_context)

    del fake.annotations[2]

    assert counted(full_context) == ProjectAgreement()


def test_a_review_that_cannot_be_compared_is_told_and_the_others_count(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    broken = review(fake, 2, {**region(corner()), "image_rotation": 90})
    review(fake, 3, region(corner()))

    found = counted(full_context)

    assert [each.reviewed for each in found.generations] == [1]
    (problem,) = found.problems
    assert problem.startswith(
        f"annotation {broken} of task 2: region 'painted1' is painted on an image turned"
    )


def test_many_reviews_are_counted_a_few_at_a_time(full_context: WorkerContext, fake: FakeLabelStudio) -> None:
    """Another sync goes on with the rest, so that predictions need not wait."""
    review(fake, 2, region(corner()))
    review(fake, 3, region(corner()))

    first = counted(full_context, at_once_s=0)
    waits = full_context.queue.sync_waits(PROJECT)
    second = counted(full_context)

    assert [each.reviewed for each in first.generations] == [1]
    assert waits
    assert [each.reviewed for each in second.generations] == [2]
