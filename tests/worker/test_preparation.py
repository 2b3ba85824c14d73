"""What a process needs before it predicts, where another one or Redis has lost it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from backend.jobs.keys import ProjectKeys
from backend.vision.evidence import FITTED
from backend.vision.learned import Learned, Lesson
from backend.vision.learning import Reviewed
from backend.worker.choice import rebuilt
from backend.worker.context import WorkerContext
from backend.worker.learning_options import LearningOptions
from backend.worker.sync import sync
from tests.worker.conftest import disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]
TAUGHT = Learned({"Coin": Lesson(replace(FITTED.second, bias=-1.0))})


@dataclass
class Teacher:
    """Learns something from any review; counts its lessons."""

    lessons: int = 0

    def learn(self, models: object, references: object, reviewed: Iterable[Reviewed], **_: object) -> Learned:  # noqa: ARG002 - as the core's
        """Go through the reviews."""
        self.lessons += 1
        return TAUGHT if list(reviewed) else Learned()


@pytest.fixture
def teacher() -> Teacher:
    return Teacher()


@pytest.fixture
def taught(full_context: WorkerContext, fake: FakeLabelStudio, teacher: Teacher) -> WorkerContext:
    """A worker whose project has a review: task 2's; task 3 is left."""
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    return replace(full_context, learn=teacher.learn)


def lose_lessons(context: WorkerContext) -> int:
    """Let Redis lose what was learned; gives how much that was."""
    lost = list(context.connection.scan_iter(ProjectKeys(PROJECT).learned("*")))
    return int(context.connection.delete(*lost)) if lost else 0


def test_a_worker_that_has_the_generation_gives_its_lessons_back_to_a_redis_that_lost_them(
    taught: WorkerContext, teacher: Teacher
) -> None:
    """It learns nothing anew."""
    version = sync(taught, PROJECT).model_version
    taught.connection.flushall()

    again = sync(taught, PROJECT).model_version

    assert again == version
    assert teacher.lessons == 1
    assert lose_lessons(taught) == 1


def test_it_gives_the_references_among_the_reviews_back_as_well(taught: WorkerContext) -> None:
    """Those that were chosen beside the one shot."""
    context = replace(taught, learning=LearningOptions(max_references=2))
    version = sync(context, PROJECT).model_version
    taught.connection.flushall()

    again = sync(context, PROJECT).model_version
    context.generations.clear()
    found = rebuilt(context, context.label_studio.project(PROJECT), str(version))

    assert again == version
    assert found is not None
    assert [each.annotation_id for each in found.picked] == [1, 2]
