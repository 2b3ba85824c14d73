"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right. From that the weights of the evidence
are refitted, and what tells confirmed looks from deleted ones joins them: label by label where there is
enough to go by, else for all labels together. Where points bring out too few of the things, a prompt is tuned
besides. Only what would have saved work on the reviewed images themselves, each judged by what the others
taught, is kept.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.marked import Marked, marked
from backend.vision.pipeline import Models, SearchOptions, survey
from backend.vision.prompt_tuning import tuned
from backend.vision.reference import Reference
from backend.vision.refit import CUES, refitted
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.taste import Taste, taste_of

FEWEST = 2  # images: with one, nothing can be tried on another
FOLDS = 5  # at most: bounds the work with many images
HALVES = 2  # a prompt is tuned on one half of the images and tried on the other
TOILSOME = 0.1  # mistakes a thing, from which a prompt is tuned


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
    step: Callable[[], object] = lambda: None,
) -> Learned:
    """Learn from reviewed images. The same images in the same order teach the same.

    Args:
        models: the networks.
        references: one or more per label, as the search has them.
        reviewed: gone through up to twice, one image at a time.
        options: as the search has them.
        step: called every now and then: the work goes on.

    Returns:
        What they taught; ``Learned()`` for none, or where nothing was worth it.
    """
    images = [looked_through(models, references, some, options) for some in reviewed]
    labels = sorted({reference.label for reference in references})
    known = [one for one in images if one]
    found = lessons(known, labels, options)
    prompts = [label for label in labels if toilsome(known, label, options)]
    halves = {label: half_prompts(models.sam, images, label, step) for label in prompts}
    if not halves:
        return found
    again = [
        looked_through(models, references, some, options, halved(halves, number, options))
        for number, some in enumerate(reviewed)
    ]
    better = with_prompts(known, [one for one in again if one], prompts, options)
    return Learned(
        {
            **found.lessons,
            **{
                label: replace(lesson, prompt=prompt_of(models.sam, known, label, step))
                for label, lesson in better.items()
            },
        }
    )


def lessons(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Learned:
    """What these images teach: about each label that is in enough of them, and about the rest together."""
    found = {label: lesson for label in labels if (lesson := taught(images, [label], options))}
    rest = [label for label in labels if not enough(images, [label])]
    together = taught(images, rest, options) if rest else None
    if together:
        found |= dict.fromkeys(rest, together)
    return Learned(dict(sorted(found.items())))


def toilsome(images: Sequence[Marked], label: str, options: SearchOptions) -> bool:
    """Whether so much of a label has to be mended that tuning a prompt may be worth its time."""
    if not enough(images, [label]):
        return False
    things = sum(image.counts.get(label, 0) for image in images)
    return best_lesson(images, [label], options)[0] > TOILSOME * things


def half_prompts(
    sam: Sam, images: Sequence[Marked | None], label: str, step: Callable[[], object]
) -> tuple[tuple[float, ...], ...]:
    """Tune a prompt for the images of even number on those of odd number, and the other way round."""
    return tuple(
        prompt_of(sam, [one for one in images[1 - half :: 2] if one], label, step) for half in range(HALVES)
    )


def prompt_of(
    sam: Sam, images: Sequence[Marked], label: str, step: Callable[[], object]
) -> tuple[float, ...]:
    """Tune a prompt on the examples of a label; none to learn from, none that counts."""
    examples = [one for image in images for one in image.examples.get(label, ())]
    if not examples:
        return ()
    return tuple(float(f"{value:.4g}") for value in tuned(sam, examples, step=step).tolist())


def halved(halves: Mapping[str, Sequence[tuple[float, ...]]], number: int, options: SearchOptions) -> Learned:
    """The prompts that were tuned without the image of that number."""
    weights = options.weights.second
    return Learned(
        {label: Lesson(weights, prompt=prompts[number % HALVES]) for label, prompts in halves.items()}
    )


def with_prompts(
    before: Sequence[Marked], after: Sequence[Marked], labels: Sequence[str], options: SearchOptions
) -> dict[str, Lesson]:
    """Lessons of the labels whose tuned prompt saves work.

    Args:
        before: the images as they were searched without.
        after: as they were searched with one that others of them taught.
        labels: those that have one.
        options: as the search has them.
    """
    found = {}
    for label in labels:
        mended, lesson = best_lesson(after, [label], options)
        if mended < best_lesson(before, [label], options)[0]:
            found[label] = lesson
    return found


def looked_through(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    options: SearchOptions,
    learned: Learned = NOTHING,
) -> Marked | None:
    """Search one reviewed image, if possible by the references of other images.

    A label that has no others competes with those from this image, but nothing is learned about it. Of what
    was *learned* the prompts count.

    Returns:
        Its candidates with the truth; None if no label has a reference from another image.
    """
    numbered = [each for each in enumerate(references) if reviewed.looks_for(each[1].label)]
    others = {one.label for number, one in numbered if number not in reviewed.own}
    if not others:
        return None
    asked = [one for number, one in numbered if number not in reviewed.own or one.label not in others]
    found = survey(
        models, asked, reviewed.image, options=options, embedding=reviewed.embedding, learned=learned
    )
    masks = {
        label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in sorted(others)
    }
    return marked(models.sam, found, masks, options=options)


def taught(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Lesson | None:
    """Lesson for these labels together; None without enough evidence, or where it saves no work.

    Each image is judged by what images of the other folds taught.
    """
    if not enough(images, labels):
        return None
    _, lesson = best_lesson(images, labels, options)
    return lesson if lesson != Lesson(options.weights.second) else None


def best_lesson(
    images: Sequence[Marked], labels: Sequence[str], options: SearchOptions
) -> tuple[int, Lesson]:
    """The lesson about these labels together that leaves least to be mended, and how much that is.

    Weights as ever or refitted, outlines drawn once more or not; of equals the one that changes least.
    """
    choices: list[tuple[int, bool, Lesson]] = []
    for redrawn in (True, False):
        prior = Lesson(options.weights.second, redrawn=redrawn)
        before, after = tried(images, labels, prior)
        choices += [(before, False, prior), (after, True, prior)]
    mended, refit, lesson = min(choices, key=lambda choice: choice[0])
    return mended, fit(images, labels, lesson) if refit else lesson


def tried(images: Sequence[Marked], labels: Sequence[str], prior: Lesson) -> tuple[int, int]:
    """Mistakes about these labels together, by *prior* and by what images of the other folds teach."""
    before = after = 0
    for fold in folds(len(images)):
        lesson = fit([one for number, one in enumerate(images) if number not in fold], labels, prior)
        before += sum(mistakes(images[number], labels, prior) for number in fold)
        after += sum(mistakes(images[number], labels, lesson) for number in fold)
    return before, after


def enough(images: Sequence[Marked], labels: Sequence[str]) -> bool:
    """Whether some of these things are marked in more than one image."""
    return sum(any(image.counts.get(label) for label in labels) for image in images) >= FEWEST


def folds(count: int) -> list[range]:
    """Share images out to folds, as many as there may be; numbers of each."""
    return [range(first, count, FOLDS) for first in range(min(count, FOLDS))]


def mistakes(image: Marked, labels: Sequence[str], lesson: Lesson) -> int:
    """Of all these labels."""
    return sum(image.mistakes(label, lesson) for label in labels)


def fit(images: Sequence[Marked], labels: Sequence[str], prior: Lesson) -> Lesson:
    """Refit on all candidates of these labels; a taste is a single label's."""
    known = [candidates_of(image, labels, redrawn=prior.redrawn) for image in images]
    table, target = (torch.cat([getattr(one, name) for one in known]) for name in ("table", "target"))
    taste = learned_taste(known) if len(labels) == 1 else None
    if taste is None:
        weights, _ = refitted(table, target, prior.weights, torch.zeros(len(table)))
        return replace(prior, weights=weights)
    weights, weight = refitted(table, target, prior.weights, torch.cat(list(tastes(known))))
    return replace(prior, weights=weights, taste=replace(taste, weight=weight))


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


def candidates_of(image: Marked, labels: Sequence[str], *, redrawn: bool) -> Known:
    """All candidates of these labels that the image tells about, as they are or redrawn."""
    labels = [label for label in labels if label in image.counts]
    chosen = [torch.tensor([one in labels for one in view.labels], dtype=torch.bool) for view in image.views]
    tables, targets, vectors = [torch.zeros(0, len(CUES))], [torch.zeros(0)], []
    for view, mine in zip(image.views, chosen, strict=True):
        tables.append(view.cues.table[mine].float())
        targets.append(view.rightness(redrawn=redrawn)[mine])
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
