"""What reviewed annotations teach a set of references."""

from collections.abc import Callable, Sequence

from backend.labelstudio.label_config import Control
from backend.labelstudio.references import PickedReference
from backend.vision.learned import Learned
from backend.vision.reference import Reference
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
        picked: where each of them comes from.
        evidence: the reviews.
        controls: of the label config.
        refusals: gets a sentence for each review that is passed over.
        step: called before each image: the work goes on.

    Raises:
        TransientError: an image's server does not answer now.
    """
    image = picked[0].control
    images = Images(context.fetcher, key=image.image_key, to_name=image.to_name)

    def own(task_id: int) -> frozenset[int]:
        return frozenset(number for number, each in enumerate(picked) if each.task_id == task_id)

    reviewed = reviewed_images(evidence, controls, images, refusals, own=own, step=step)
    return context.learn(context.models, references, reviewed, options=context.search)
