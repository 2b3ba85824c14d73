"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right. From that the weights of the evidence
are refitted, label by label where there is enough to go by, else for all labels together; and only what would
have saved work on the reviewed images themselves, each judged by what the others taught, is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from backend.vision.evidence import Weights
from backend.vision.learned import Learned, Lesson
from backend.vision.marked import NO_THING, Marked, marked
from backend.vision.pipeline import Models, SearchOptions, survey
from backend.vision.reference import Reference
from backend.vision.refit import refitted
from backend.vision.sam import ImageEmbedding

FEWEST = 2  # images: with one, nothing can be tried on another


@dataclass(frozen=True, eq=False)
class Reviewed:
    """An image in which a person has marked every thing of every label.

    Attributes:
        image: RGB, (H, W, 3) uint8.
        masks: one (H, W) bool per thing, by label; a label without a thing is absent or empty.
        own: numbers of the references that were taken from this very image: they are not asked about it, for
            anything looks like itself.
        embedding: of *image*, where the caller has it.
    """

    image: NDArray[np.uint8]
    masks: Mapping[str, Sequence[NDArray[np.bool_]]]
    own: frozenset[int] = frozenset()
    embedding: ImageEmbedding | None = None


def learn(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    *,
    options: SearchOptions,
) -> Learned:
    """Learn from reviewed images. The same images in the same order teach the same.

    Args:
        models: the networks.
        references: one or more per label, as the search has them.
        reviewed: gone through once, one image at a time.
        options: as the search has them.

    Returns:
        What they taught; ``Learned()`` for none, or where nothing was worth it.
    """
    images = [one for some in reviewed if (one := looked_through(models, references, some, options))]
    return lessons(images, sorted({reference.label for reference in references}), options)


def lessons(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Learned:
    """What these images teach: about each label that is in enough of them, and about the rest together."""
    found = {label: weights for label in labels if (weights := taught(images, [label], options))}
    rest = [label for label in labels if not enough(images, [label])]
    together = taught(images, rest, options) if rest else None
    if together:
        found |= dict.fromkeys(rest, together)
    return Learned({label: Lesson(weights) for label, weights in sorted(found.items())})


def looked_through(
    models: Models, references: Sequence[Reference], reviewed: Reviewed, options: SearchOptions
) -> Marked | None:
    """Search one reviewed image, if possible by the references of other images.

    A label that has no others competes with those from this image, but nothing is learned about it.

    Returns:
        Its candidates with the truth; None if no label has a reference from another image.
    """
    others = {one.label for number, one in enumerate(references) if number not in reviewed.own}
    if not others:
        return None
    asked = [
        one for number, one in enumerate(references) if number not in reviewed.own or one.label not in others
    ]
    found = survey(models, asked, reviewed.image, options=options, embedding=reviewed.embedding)
    masks = {
        label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in sorted(others)
    }
    return marked(found, masks, options=options)


def taught(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Weights | None:
    """Weights for these labels together; None without enough evidence, or where they save no work.

    Each image is judged by what the others taught.
    """
    if not enough(images, labels):
        return None
    prior = options.weights.second
    before = sum(mistakes(image, labels, prior) for image in images)
    after = sum(
        mistakes(image, labels, fit([other for other in images if other is not image], labels, prior))
        for image in images
    )
    return fit(images, labels, prior) if after < before else None


def enough(images: Sequence[Marked], labels: Sequence[str]) -> bool:
    """Whether some of these things are marked in more than one image."""
    return sum(any(image.counts.get(label) for label in labels) for image in images) >= FEWEST


def mistakes(image: Marked, labels: Sequence[str], weights: Weights) -> int:
    """Of all these labels."""
    return sum(image.mistakes(label, weights) for label in labels)


def fit(images: Sequence[Marked], labels: Sequence[str], prior: Weights) -> Weights:
    """Refit on all candidates of these labels."""
    tables, right = [torch.zeros(0, 8)], [torch.zeros(0, dtype=torch.bool)]
    pairs = [(image.counts, view) for image in images for view in image.views]
    for counts, view in pairs:
        known = set(labels).intersection(counts)
        mine = torch.tensor([label in known for label in view.labels], dtype=torch.bool)
        tables.append(view.cues.table[mine].float())
        right.append(view.things[mine] != NO_THING)
    return refitted(torch.cat(tables), torch.cat(right), prior)
