"""What is measured: the pipeline and what it is compared with, on one embedding and with the same weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.vision.instance import Instance
from backend.vision.pipeline import Models, SearchOptions, Segmentation, StageSeconds, find_instances
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding

Find = Callable[[Models, Sequence[Reference], NDArray[np.uint8], ImageEmbedding, SearchOptions], Segmentation]


@dataclass(frozen=True)
class Method:
    """One way to find instances.

    Attributes:
        name: as the command and the report call it.
        find: models, references, image (H, W, 3) uint8, its embedding and options to instances.
        competes: labels compete; a method that takes labels one by one is only asked for those of the image's
            group.
    """

    name: str
    find: Find
    competes: bool


def find_together(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    options: SearchOptions,
) -> Segmentation:
    """The pipeline: all labels in one call."""
    return find_instances(models, references, image, options=options, embedding=embedding)


def find_by_loop(
    models: Models,
    references: Sequence[Reference],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    options: SearchOptions,
) -> Segmentation:
    """The report's loop with its own stop rule, label by label, without the semantic check."""
    unchecked = replace(options, search="loop", semantic_check=False)
    instances: list[Instance] = []
    seconds = StageSeconds(0, 0, 0)
    for reference in references:
        found = find_instances(models, [reference], image, options=unchecked, embedding=embedding)
        instances += found.instances
        seconds = StageSeconds(
            *(sum(pair) for pair in zip(_stages(seconds), _stages(found.seconds), strict=True))
        )
    return Segmentation(tuple(instances), seconds)


def _stages(seconds: StageSeconds) -> tuple[float, float, float]:
    """Encode, search and check."""
    return seconds.encode, seconds.search, seconds.check


METHODS = {
    method.name: method
    for method in (
        Method("pipeline", find_together, competes=True),
        Method("loop", find_by_loop, competes=False),
    )
}
