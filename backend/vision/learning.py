"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right: that teaches lessons, by label where
there is enough to go by, else for all labels together. Where much has to be mended all the same, a prompt is
tuned besides; half of the images are searched with what the other half taught, and it is kept if that saves
work.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.lessons import best_lesson, enough, lessons
from backend.vision.marked import Marked, marked
from backend.vision.pipeline import Models, SearchOptions, survey
from backend.vision.prompt_tuning import tuned
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam

HALVES = 2  # a prompt is tuned on one half of the images and tried on the other
TOILSOME = 0.1  # mistakes a thing, from which a prompt is tuned
PROMPTS = 4  # labels with one, at most: each takes minutes of a core


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
    prompts = toilsome(known, labels, options)
    if not prompts:
        return found
    halves = {label: half_prompts(models.sam, images, label, step) for label in prompts}
    again = [
        looked_through(models, references, some, options, halved(halves, number, options))
        for number, some in enumerate(reviewed)
    ]
    better = with_prompts(known, [one for one in again if one], prompts, options)
    for label, lesson in better.items():
        better[label] = replace(lesson, prompt=prompt_of(models.sam, known, label, step))
    return Learned(dict(sorted({**found.lessons, **better}.items())))


def toilsome(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> list[str]:
    """Labels of which so much has to be mended that tuning a prompt may be worth its time, worst first."""
    toil = {}
    for label in labels:
        if enough(images, [label]):
            mended, _ = best_lesson(images, [label], options)
            if mended > TOILSOME * sum(image.counts.get(label, 0) for image in images):
                toil[label] = mended
    return sorted(toil, key=lambda label: -toil[label])[:PROMPTS]


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
