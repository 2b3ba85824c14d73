"""Learning from review: what a person has corrected makes the rest better.

A reviewed image says of every candidate in it whether it was right: that teaches lessons, by label where
there is enough to go by, else for all labels together. Where much has to be mended all the same, a prompt is
tuned besides; half of the images are searched with what the other half taught, and it is kept if that saves
work.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.lessons import Judged, by_label, image_numbers, lessons
from backend.vision.marked import Marked, marked
from backend.vision.pipeline import Models, SearchOptions, survey
from backend.vision.prompt_tuning import Example, tuned
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam

HALVES = 2  # a prompt is tuned on one half of the images and tried on the other
TOILSOME = 0.1  # mistakes a thing, from which a prompt is tuned
KINDS: tuple["Kind", ...] = ("prompt", "outline")  # in this order: the second where the first saves nothing
PROMPTS = 2  # labels with one, at most: each takes minutes of a core

Kind = Literal["prompt", "outline"]
"""What is tuned, as ``Lesson`` names it: how things are asked for by points, or drawn once more."""


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
        key: names the review, the same whenever they are gone through; None: its place among them does.
        image_id: names the image, where others may have reviewed it, too; None: nobody else has.
    """

    image: NDArray[np.uint8]
    masks: Mapping[str, Sequence[NDArray[np.bool_]]]
    own: frozenset[int] = frozenset()
    embedding: ImageEmbedding | None = None
    labels: frozenset[str] | None = None
    key: Hashable = None
    image_id: Hashable = None

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
        reviewed: gone through up to three times, one image at a time.
        options: as the search has them.
        step: called every now and then: the work goes on.

    Returns:
        What they taught; ``Learned()`` for none, or where nothing was worth it.
    """
    images: dict[Hashable, Marked] = {}
    for key, some in keyed(reviewed):
        step()
        seen = looked_through(models, references, some, options, examples=True)
        images |= {key: seen} if seen else {}
    known, labels = list(images.values()), sorted({reference.label for reference in references})
    before = by_label(known, labels, options, step)
    found = lessons(known, labels, before, options)
    tunable = toilsome(known, before) if options.search == "sweep" else []
    for kind in KINDS:
        halves = {label: half_prompts(models.sam, known, label, kind, step) for label in tunable}
        if halves:
            numbers = dict(zip(images, image_numbers(known), strict=True))
            again = searched_again(models, references, reviewed, numbers, halves, kind, options, step)
            better = saving(images, again, before, tunable, options, step)
            tunable = [label for label in tunable if label not in better]
            for label, lesson in better.items():
                prompt = prompt_of(models.sam, known, label, kind, step)
                found[label] = with_prompt(lesson, kind, prompt)
    return Learned(dict(sorted(found.items())))


def searched_again(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    numbers: Mapping[Hashable, int],
    halves: Mapping[str, Sequence[tuple[float, ...]]],
    kind: Kind,
    options: SearchOptions,
    step: Callable[[], object],
) -> dict[Hashable, Marked]:
    """Search each of the images that have a number, by key, with the prompts that were tuned without it."""
    found: dict[Hashable, Marked] = {}
    for key, some in keyed(reviewed):
        if key in numbers:
            step()
            prompts = halved(halves, numbers[key], kind, options)
            seen = looked_through(models, references, some, options, prompts)
            found |= {key: seen} if seen else {}
    return found


def keyed(reviewed: Iterable[Reviewed]) -> Iterator[tuple[Hashable, Reviewed]]:
    """Give each image with what names it."""
    for number, some in enumerate(reviewed):
        yield number if some.key is None else some.key, some


def toilsome(images: Sequence[Marked], judged: Mapping[str, Judged]) -> list[str]:
    """Labels of which so much has to be mended that tuning a prompt may be worth its time, worst first."""
    things = {label: sum(image.counts.get(label, 0) for image in images) for label in judged}
    toil = {label: mended for label, (mended, _) in judged.items() if mended > TOILSOME * things[label]}
    return sorted(toil, key=lambda label: -toil[label])[:PROMPTS]


def saving(
    before: Mapping[Hashable, Marked],
    after: Mapping[Hashable, Marked],
    judged: Mapping[str, Judged],
    tuned_labels: Sequence[str],
    options: SearchOptions,
    step: Callable[[], object],
) -> dict[str, Lesson]:
    """Lessons of the labels whose tuned prompt saves work; none where others lose more by it.

    Args:
        before: the images as they were searched without, by their keys.
        after: as they were searched with one that others of them taught; some may be gone.
        judged: all of *before*, by label.
        tuned_labels: those that have one.
        options: as the search has them.
        step: called every now and then.
    """
    labels = sorted({label for image in after.values() for label in image.counts})
    is_whole = len(after) == len(before)
    old = judged if is_whole else by_label([before[key] for key in after], labels, options, step)
    new = by_label(list(after.values()), labels, options, step)
    if sum(mended for mended, _ in new.values()) >= sum(mended for mended, _ in old.values()):
        return {}
    return {label: new[label][1] for label in tuned_labels if label in new and new[label][0] < old[label][0]}


def half_prompts(
    sam: Sam, images: Sequence[Marked], label: str, kind: Kind, step: Callable[[], object]
) -> tuple[tuple[float, ...], ...]:
    """Tune a prompt for the images of even number on those of odd number, and the other way round."""
    numbered = list(zip(image_numbers(images), images, strict=True))
    others = [[one for number, one in numbered if number % HALVES != half] for half in range(HALVES)]
    return tuple(prompt_of(sam, some, label, kind, step) for some in others)


def prompt_of(
    sam: Sam, images: Sequence[Marked], label: str, kind: Kind, step: Callable[[], object]
) -> tuple[float, ...]:
    """Tune a prompt on the examples of a label; none to learn from, none that counts."""
    shown: list[Example] = []
    for image in images:
        shown += (image.pointed if kind == "prompt" else image.outlined).get(label, ())
    if not shown:
        return ()
    return tuple(float(f"{value:.4g}") for value in tuned(sam, shown, step=step).tolist())


def with_prompt(lesson: Lesson, kind: Kind, prompt: tuple[float, ...]) -> Lesson:
    """The lesson with a tuned prompt."""
    return replace(lesson, prompt=prompt) if kind == "prompt" else replace(lesson, outline=prompt)


def halved(
    halves: Mapping[str, Sequence[tuple[float, ...]]], number: int, kind: Kind, options: SearchOptions
) -> Learned:
    """The prompts that were tuned without the image of that number."""
    plain = Lesson(options.weights.second)
    return Learned(
        {label: with_prompt(plain, kind, prompts[number % HALVES]) for label, prompts in halves.items()}
    )


def looked_through(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    options: SearchOptions,
    learned: Learned = NOTHING,
    *,
    examples: bool = False,
) -> Marked | None:
    """Search one reviewed image, if possible by the references of other images.

    A label that has no others competes with those from this image, but nothing is learned about it. Of what
    was *learned* the prompts count. With *examples*, some things are kept to tune others with.

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
    seen = marked(models.sam, found, masks, options=options, learned=learned, examples=examples)
    return replace(seen, image_id=reviewed.image_id)
