"""What reviews of tasks with two images say of each."""

from collections.abc import Iterable
from dataclasses import replace

from backend.labelstudio.label_config import Control
from backend.labelstudio.references import Annotation, PickedReference
from backend.vision.learned import NOTHING, Learned
from backend.vision.reviewed import Reviewed
from backend.worker.context import WorkerContext
from backend.worker.evidence import Evidence
from backend.worker.refit import refit
from tests.worker.conftest import disc_mask
from tests.worker.fake_label_studio import FakeLabelStudio
from tests.worker.two_images import SIZES_HW, Core, address, make_two_images, painted

LEFT, RIGHT = SIZES_HW.values()
CONTROLS = [Control(f"{name}-brush", name, name[0], ("Coin",)) for name in SIZES_HW]
REFERENCE = PickedReference(
    *("Coin", 2, 1, address(2, "right"), RIGHT, ("painted1",), (disc_mask(RIGHT),), CONTROLS[1])
)


def reviewed(context: WorkerContext, *reviews: Annotation) -> tuple[Core, list[str]]:
    """What the core is taught with, and what was passed over."""
    core, refusals = Core(), list[str]()
    refit(
        *(replace(context, learn=core.learn), [], [REFERENCE], Evidence(len(reviews), reviews), CONTROLS),
        refusals=refusals,
        step=lambda: None,
    )
    return core, refusals


def test_a_reference_is_own_only_to_the_image_that_it_was_painted_on(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """That is the right image of task 2; the left one of the task shows something else."""
    make_two_images(fake)
    reviews = [
        Annotation(5 + task, task, fake.tasks[task], (painted("left"),), parent_prediction=9)
        for task in (1, 2)
    ]

    core, refusals = reviewed(full_context, *reviews)

    assert [(each.image.shape[:2], sorted(each.own), list(each.masks)) for each in core.reviewed] == [
        (LEFT, [], ["Coin"]),
        (LEFT, [], ["Coin"]),
        (RIGHT, [], []),
        (RIGHT, [0], []),
    ]
    assert refusals == []


def test_a_task_that_lacks_one_image_teaches_with_the_other(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    make_two_images(fake)
    review = Annotation(6, 1, {"r": address(1, "right")}, (painted("right"),), parent_prediction=9)

    core, refusals = reviewed(full_context, review)

    assert [each.image.shape[:2] for each in core.reviewed] == [RIGHT]
    assert "under 'l' in the task's data" in refusals[0]


def test_reviews_can_be_gone_through_again(full_context: WorkerContext, fake: FakeLabelStudio) -> None:
    """The same images each time; what cannot serve is told once."""
    make_two_images(fake)
    review = Annotation(6, 1, {"r": address(1, "right")}, (painted("right"),), parent_prediction=9)
    passes: list[list[tuple[int, ...]]] = []

    def learn(
        models: object,  # noqa: ARG001 - as the core's
        references: object,  # noqa: ARG001
        reviewed: Iterable[Reviewed],
        **_: object,
    ) -> Learned:
        passes.extend([one.image.shape[:2] for one in reviewed] for _ in range(2))
        return NOTHING

    refusals: list[str] = []
    refit(
        *(replace(full_context, learn=learn), [], [REFERENCE], Evidence(1, (review,)), CONTROLS),
        refusals=refusals,
        step=lambda: None,
    )

    assert passes == [[RIGHT], [RIGHT]]
    assert len(refusals) == 1
