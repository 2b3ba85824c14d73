"""What a method is shown: an image, what to look for, and the truth for a method that may look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.exemplars import Exemplar
from backend.evaluation.rle import Rle
from backend.vision.drawing import object_window
from backend.vision.instance import Instance
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scene:
    """One image with everything a method may be asked to use.

    Attributes:
        image: RGB, (H, W, 3) uint8.
        embedding: of the image.
        exemplars: one or more per label, those of a label in the order of their images.
        true: the true masks of each judged label; only an oracle looks at them.
    """

    image: NDArray[np.uint8]
    embedding: ImageEmbedding
    exemplars: tuple[Exemplar, ...]
    true: Mapping[str, tuple[Rle, ...]]

    @property
    def references(self) -> list[Reference]:
        """What to look for, as the pipeline has it."""
        return [exemplar.reference for exemplar in self.exemplars]

    @property
    def by_label(self) -> dict[str, list[Exemplar]]:
        """The exemplars of each label."""
        labels = dict.fromkeys(reference.label for reference in self.references)
        return {label: [e for e in self.exemplars if e.reference.label == label] for label in labels}


def decoded_instance(
    sam: Sam, scene: Scene, label: str, logits: Tensor, *, iou: float, similarity: float
) -> Instance | None:
    """An instance of a decoded mask that nothing has checked; None for an empty mask.

    Args:
        sam: the model.
        scene: where it was found.
        label: what it is taken for.
        logits: low-resolution logits, (4h, 4w) float.
        iou: the mask decoder's own estimate, the confidence.
        similarity: cosine at the place that it was found at.
    """
    window = object_window(sam, logits, scene.embedding)
    if not window.area:
        return None
    return Instance(label, window, min(max(iou, 0.0), 1.0), min(max(similarity, -1.0), 1.0))
