"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right. From that the weights of the evidence
are refitted, and what tells confirmed looks from deleted ones joins them: label by label where there is
enough to go by, else for all labels together. Only what would have saved work on the reviewed images
themselves, each judged by what the others taught, is kept.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.evidence import Weights
from backend.vision.learned import Learned, Lesson
from backend.vision.marked import Marked, marked
from backend.vision.pipeline import Models, SearchOptions, survey
from backend.vision.reference import Reference
from backend.vision.refit import CUES, refitted
from backend.vision.sam import ImageEmbedding
from backend.vision.taste import Taste, taste_of

FEWEST = 2  # images: with one, nothing can be tried on another
FOLDS = 5  # at most: bounds the work with many images


@dataclass(frozen=True, eq=False)
class Reviewed:
    """An image in which a person has marked every thing of every label.

    Attributes:
        image: RGB, (H, W, 3) uint8.
        masks: one (H, W) bool per thing, by label; a label without a thing is absent or empty.
        own: numbers of the references that were taken from this very image: they are not asked about it, for
            anything looks like itself.
        embedding: of *image*, where the caller has it.
        labels: those that are looked for in this image; None: all.
    """

    image: NDArray[np.uint8]
    masks: Mapping[str, Sequence[NDArray[np.bool_]]]
    own: frozenset[int] = frozenset()
    embedding: ImageEmbedding | None = None
    labels: frozenset[str] | None = None

    def looks_for(self, label: str) -> bool:
        """Whether that label is looked for here."""
        return self.labels is None or label in self.labels


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
    found = {label: lesson for label in labels if (lesson := taught(images, [label], options))}
    rest = [label for label in labels if not enough(images, [label])]
    together = taught(images, rest, options) if rest else None
    if together:
        found |= dict.fromkeys(rest, together)
    return Learned(dict(sorted(found.items())))


def looked_through(
    models: Models, references: Sequence[Reference], reviewed: Reviewed, options: SearchOptions
) -> Marked | None:
    """Search one reviewed image, if possible by the references of other images.

    A label that has no others competes with those from this image, but nothing is learned about it.

    Returns:
        Its candidates with the truth; None if no label has a reference from another image.
    """
    numbered = [each for each in enumerate(references) if reviewed.looks_for(each[1].label)]
    others = {one.label for number, one in numbered if number not in reviewed.own}
    if not others:
        return None
    asked = [one for number, one in numbered if number not in reviewed.own or one.label not in others]
    found = survey(models, asked, reviewed.image, options=options, embedding=reviewed.embedding)
    masks = {
        label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in sorted(others)
    }
    return marked(found, masks, options=options)


def taught(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Lesson | None:
    """Lesson for these labels together; None without enough evidence, or where it saves no work.

    Each image is judged by what images of the other folds taught.
    """
    if not enough(images, labels):
        return None
    prior = Lesson(options.weights.second)
    before = after = 0
    for fold in folds(len(images)):
        lesson = fit([one for number, one in enumerate(images) if number not in fold], labels, prior.weights)
        before += sum(mistakes(images[number], labels, prior) for number in fold)
        after += sum(mistakes(images[number], labels, lesson) for number in fold)
    return fit(images, labels, prior.weights) if after < before else None


def enough(images: Sequence[Marked], labels: Sequence[str]) -> bool:
    """Whether some of these things are marked in more than one image."""
    return sum(any(image.counts.get(label) for label in labels) for image in images) >= FEWEST


def folds(count: int) -> list[range]:
    """Share images out to folds, as many as there may be; numbers of each."""
    return [range(first, count, FOLDS) for first in range(min(count, FOLDS))]


def mistakes(image: Marked, labels: Sequence[str], lesson: Lesson) -> int:
    """Of all these labels."""
    return sum(image.mistakes(label, lesson) for label in labels)


def fit(images: Sequence[Marked], labels: Sequence[str], prior: Weights) -> Lesson:
    """Refit on all candidates of these labels; a taste is a single label's."""
    known = [candidates_of(image, labels) for image in images]
    table, target = (torch.cat([getattr(one, name) for one in known]) for name in ("table", "target"))
    taste = learned_taste(known) if len(labels) == 1 else None
    if taste is None:
        weights, _ = refitted(table, target, prior, torch.zeros(len(table)))
        return Lesson(weights)
    weights, weight = refitted(table, target, prior, torch.cat(list(tastes(known))))
    return Lesson(weights, replace(taste, weight=weight))


@dataclass(frozen=True, eq=False)
class Known:
    """The candidates of some labels in one reviewed image.

    Attributes:
        table: their cues, (n, 10) float.
        target: how right each is, in [0, 1], (n,) float.
        vectors: their unit semantic vectors, (n, D) float; (n, 0) where nothing was looked at.
    """

    table: Tensor
    target: Tensor
    vectors: Tensor


def candidates_of(image: Marked, labels: Sequence[str]) -> Known:
    """All candidates of these labels that the image tells about."""
    labels = [label for label in labels if label in image.counts]
    chosen = [torch.tensor([one in labels for one in view.labels], dtype=torch.bool) for view in image.views]
    tables, targets, vectors = [torch.zeros(0, len(CUES))], [torch.zeros(0)], []
    for view, mine in zip(image.views, chosen, strict=True):
        tables.append(view.cues.table[mine].float())
        targets.append(view.rightness[mine])
        vectors.append(torch.zeros(len(mine), 0) if view.sight.vectors is None else view.sight.vectors)
        vectors[-1] = vectors[-1][mine].float()
    return Known(torch.cat(tables), torch.cat(targets), torch.cat(vectors) if vectors else torch.zeros(0, 0))


def learned_taste(known: Sequence[Known]) -> Taste | None:
    """What these images teach about looks; None if nothing."""
    seen = [one for one in known if one.vectors.shape[1]]
    if not seen:
        return None
    return taste_of(torch.cat([one.vectors for one in seen]), torch.cat([one.target for one in seen]) > 0)


def tastes(known: Sequence[Known]) -> Iterator[Tensor]:
    """How the candidates of each image look, by what images of the other folds taught, (n,) float each.

    What is learned from the image itself would look better than it is, and count for too much.
    """
    by_fold = [
        learned_taste([one for number, one in enumerate(known) if number not in fold])
        for fold in folds(len(known))
    ]
    for number, one in enumerate(known):
        taste = by_fold[number % FOLDS] if len(known) > 1 else None
        told = taste and one.vectors.shape[1]
        yield taste.values(one.vectors) if taste and told else torch.zeros(len(one.target))
