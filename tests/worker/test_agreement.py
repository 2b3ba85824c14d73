"""What a worker counts of the reviews, against a fake Label Studio."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.jobs.agreement import Agreement, Agreements, ProjectAgreement
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.reviewed_tasks import AT_ONCE
from backend.worker.agreement import note_agreement
from backend.worker.context import WorkerContext
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import LABEL_CONFIG, PROJECT, TOKEN, FakeLabelStudio, region

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
        {"id": annotation_id, "lead_time": 1.5, "result": list(submitted), "parent_prediction": prediction_id}
    )
    return annotation_id


class Watched(LabelStudio):
    """Notes which tasks are read."""

    def __init__(self, url: str) -> None:
        super().__init__(url, TOKEN)
        self.read: list[int] = []

    def reviewable_tasks(self, *args: Any, **options: Any) -> list[Mapping[str, Any]]:
        """As usual."""
        page = super().reviewable_tasks(*args, **options)
        self.read += [int(task["id"]) for task in page]
        return page


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


def test_nothing_is_read_again_while_nothing_changed(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """One request finds that out."""
    review(fake, 2, region(corner()))
    before = counted(full_context)
    fake.requests.clear()

    assert counted(full_context) == before
    assert fake.requests == ["GET /api/tasks/"]


def test_of_many_only_what_changed_is_read_again(full_context: WorkerContext, fake: FakeLabelStudio) -> None:
    """And what changed shortly before the last look: it may not have been visible then."""
    for task_id in (2, 3):
        review(fake, task_id, region(corner()))
        fake.changed[task_id] = f"2026-01-0{task_id}T00:00:00.000000Z"

    with Watched(fake.url) as client:
        context = replace(full_context, label_studio=client)
        counted(context)
        fake.annotations[3][0]["result"] = fake.predictions[1]["result"]
        fake.changed[3] = "2026-01-04T00:00:00.000000Z"
        (found,) = counted(context).generations

    assert client.read == [2, 3, 3]
    assert found.labels == {"Coin": Agreement(2, kept=1, deleted=1, added=1, iou_sum=1)}


def test_a_redis_that_lost_the_figures_gets_them_again(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Also if it kept how far they were read."""
    review(fake, 2, region(corner()))
    before = counted(full_context)

    full_context.connection.delete(f"oneshot:agreement:{PROJECT}", f"oneshot:agreement-sum:{PROJECT}")

    assert counted(full_context) == before


@pytest.mark.parametrize("what", ["annotation", "task"])
def test_what_is_gone_does_not_count_any_more(
    full_context: WorkerContext, fake: FakeLabelStudio, what: str
) -> None:
    review(fake, 2, region(corner()))
    review(fake, 3, region(disc_mask()))
    counted(full_context)

    del (fake.annotations if what == "annotation" else fake.tasks)[2]

    (found,) = counted(full_context).generations
    assert (found.reviewed, found.overall.kept) == (1, 1)


def test_a_label_studio_that_fails_here_fails_no_sync(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    review(fake, 2, region(corner()))
    fake.broken = lambda path: 502 if path == "/api/tasks/" else None

    assert counted(full_context) == ProjectAgreement()
    fake.broken = lambda _: None

    assert [each.reviewed for each in counted(full_context).generations] == [1]


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
    """Another sync goes on with the rest: predictions need not wait. What changes meanwhile is seen."""
    review(fake, 2, region(corner()))
    review(fake, 3, region(corner()))

    first = counted(full_context, at_once_s=0)
    waits = full_context.queue.sync_waits(PROJECT)
    fake.annotations[2][0]["result"] = fake.predictions[0]["result"]
    fake.changed[2] = "2026-01-02T00:00:00.000000Z"
    second = counted(full_context)
    third = counted(full_context)

    assert waits
    assert [(each.reviewed, each.overall.kept) for each in first.generations] == [(1, 0)]
    assert [(each.reviewed, each.overall.kept) for each in second.generations] == [(2, 0)]
    assert [(each.reviewed, each.overall.kept) for each in third.generations] == [(2, 1)]


def test_before_each_task_those_who_wait_have_their_turn(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Somebody may point at something while a thousand reviews are counted."""
    for task_id in (2, 3):
        review(fake, task_id, region(corner()))
    turns: list[int] = []

    note_agreement(full_context, THE_PROJECT, step=lambda: turns.append(len(turns)))

    assert turns == [0, 1]


def test_more_than_a_page_of_reviews_is_counted(full_context: WorkerContext, fake: FakeLabelStudio) -> None:
    for task_id in range(4, AT_ONCE + 6):
        fake.add_task(disc())
        review(fake, task_id, region(corner()))

    assert [each.reviewed for each in counted(full_context).generations] == [AT_ONCE + 2]
