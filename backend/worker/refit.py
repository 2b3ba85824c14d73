"""What reviewed annotations teach a set of references."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import SearchedImage, searched_images
from backend.labelstudio.references import PickedReference
from backend.vision.learned import Learned
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed
from backend.worker.context import WorkerContext
from backend.worker.evidence import Evidence, Images, reviewed_images


def refit(
    context: WorkerContext,
    references: Sequence[Reference],
    picked: Sequence[PickedReference],
    evidence: Evidence,
    controls: Sequence[Control],
    *,
    refusals: list[str],
    step: Callable[[], object],
) -> Learned:
    """Learn from the reviews that can be read.

    Args:
        context: of the worker.
        references: what the search is done with.
        picked: where each of them comes from, the one shots first.
        evidence: the reviews.
        controls: of the label config.
        refusals: gets a sentence for each review that is passed over.
        step: called every now and then: the work goes on.

    Raises:
        TransientError: an image's server does not answer now.
    """

    def own(task_id: int, key: str) -> frozenset[int]:
        places = [(each.task_id, each.image_key) for each in picked]
        return frozenset(number for number, place in enumerate(places) if place == (task_id, key))

    def of_image(image: SearchedImage) -> Iterator[Reviewed]:
        images = Images(context.fetcher, image, context.models.sam, context.learning.max_evidence)
        return reviewed_images(evidence, controls, images, refusals, own=own, step=step)

    searched = searched_images(picked, controls, context.output.control)
    reviews = Reviews(lambda: chain.from_iterable(map(of_image, searched)))
    return context.learn(context.models, references, reviews, options=context.search, step=step)


@dataclass(frozen=True)
class Reviews:
    """Reviewed images that can be gone through again: one at a time is held, and read anew each time.

    Attributes:
        start: begins from the first.
    """

    start: Callable[[], Iterator[Reviewed]]

    def __iter__(self) -> Iterator[Reviewed]:
        """Begin from the first."""
        return self.start()
