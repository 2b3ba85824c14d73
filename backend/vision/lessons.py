"""Lessons: what candidates that people have judged teach about a label, or about several together.

The weights of the evidence are refitted, what tells confirmed looks from deleted ones joins them, and whether
outlines are better left alone is found out. Only what would have saved work on the images themselves, each
judged by what the others taught, is kept.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from backend.vision.inset import INSETS
from backend.vision.learned import Lesson
from backend.vision.marked import Marked
from backend.vision.pipeline import SearchOptions
from backend.vision.refit import CUES, refitted
from backend.vision.taste import Taste, taste_of

SURELY = 2.0  # standard deviations: what gains or loses a few outlines is chance
FEWEST = 2  # images: with one, nothing can be tried on another
FOLDS = 5  # at most: bounds the work with many images


Judged = tuple[int, Lesson]
"""How much of a label is left to be mended, each image judged by what others taught, and the lesson."""


def by_label(
    images: Sequence[Marked], labels: Sequence[str], options: SearchOptions, step: Callable[[], object]
) -> dict[str, Judged]:
    """The best lesson of each label that is in enough of these images; *step* is called before each."""
    found = {}
    for label in labels:
        if enough(images, [label]):
            step()
            found[label] = best_lesson(images, [label], options)
    return found


def lessons(
    images: Sequence[Marked], labels: Sequence[str], own: Mapping[str, Judged], options: SearchOptions
) -> dict[str, Lesson]:
    """What these images teach: each label what it teaches of its *own*, and the rest together."""
    plain = Lesson(options.weights.second)
    found = {label: lesson for label, (_, lesson) in own.items() if lesson != plain}
    rest = [label for label in labels if label not in own]
    together = taught(images, rest, options) if rest else None
    return found | (dict.fromkeys(rest, together) if together else {})


def with_insets(
    images: Sequence[Marked], labels: Sequence[str], known: Mapping[str, Lesson], options: SearchOptions
) -> dict[str, Lesson]:
    """Move the outlines of each label in the end, where that is surely closer to what people drew.

    Args:
        images: as they were searched in the end.
        labels: those that may be in them.
        known: what else was learned.
        options: as the search has them.

    Returns:
        All lessons: those of before, and those that only move outlines.
    """
    found = dict(known)
    for label in labels:
        plain = known.get(label, Lesson(options.weights.second))
        moved = [replace(plain, inset=by) for by in INSETS if by]
        sure = [sureness(images, label, plain, lesson) for lesson in moved]
        if max(sure) >= SURELY:
            found[label] = moved[sure.index(max(sure))]
    return found


def sureness(images: Sequence[Marked], label: str, before: Lesson, after: Lesson) -> float:
    """How surely more outlines of a label are good than before, in standard deviations (McNemar's test)."""
    pairs = [(image.outcome(label, before)[0], image.outcome(label, after)[0]) for image in images]
    gained, lost = sum(len(b - a) for a, b in pairs), sum(len(a - b) for a, b in pairs)
    return (gained - lost) / math.sqrt(max(gained + lost, 1))


def taught(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Lesson | None:
    """Lesson for these labels together; None without enough evidence, or where it saves no work.

    Each image is judged by what images of the other folds taught.
    """
    if not enough(images, labels):
        return None
    _, lesson = best_lesson(images, labels, options)
    return lesson if lesson != Lesson(options.weights.second) else None


def best_lesson(images: Sequence[Marked], labels: Sequence[str], options: SearchOptions) -> Judged:
    """The lesson about these labels together that leaves least to be mended, and how much that is.

    Weights as ever or refitted, outlines drawn once more or not; of equals the one that changes least. What
    several labels teach each other, each in one image, must surely be better, for it tells about look-alikes
    that are in none: by ``SURELY`` standard deviations of both counts' difference.
    """
    choices: list[tuple[int, bool, Lesson]] = []
    for redrawn in (True, False):
        prior = Lesson(options.weights.second, redrawn=redrawn)
        before, after = tried(images, labels, prior)
        choices += [(before, False, prior), (after, True, prior)]
    mended, refit, lesson = min(choices, key=lambda choice: choice[0])
    before = choices[0][0]
    if len(labels) > 1 and before - mended < SURELY * math.sqrt(before + mended):
        mended, refit, lesson = choices[0]
    return mended, fit(images, labels, lesson) if refit else lesson


def tried(images: Sequence[Marked], labels: Sequence[str], prior: Lesson) -> tuple[int, int]:
    """Mistakes about these labels together, by *prior* and by what images of the other folds teach."""
    before = after = 0
    for fold in folds(image_numbers(images)):
        lesson = fit([one for number, one in enumerate(images) if number not in fold], labels, prior)
        before += sum(mistakes(images[number], labels, prior) for number in fold)
        after += sum(mistakes(images[number], labels, lesson) for number in fold)
    return before, after


def enough(images: Sequence[Marked], labels: Sequence[str]) -> bool:
    """Whether some of these things are marked in more than one image."""
    marked = [any(image.counts.get(label) for label in labels) for image in images]
    numbers = zip(image_numbers(images), marked, strict=True)
    return len({number for number, there in numbers if there}) >= FEWEST


def image_numbers(images: Sequence[Marked]) -> list[int]:
    """Count the images: reviews of the same one share its number, and none may be tried on another."""
    seen: dict[Hashable, int] = {}
    names = [(place,) if one.image_id is None else one.image_id for place, one in enumerate(images)]
    return [seen.setdefault(name, len(seen)) for name in names]


def folds(numbers: Sequence[int]) -> list[list[int]]:
    """Share images out to folds, as many as there may be; places of each among their *numbers*."""
    return [
        [place for place, number in enumerate(numbers) if number % FOLDS == fold]
        for fold in range(min(len(set(numbers)), FOLDS))
    ]


def mistakes(image: Marked, labels: Sequence[str], lesson: Lesson) -> int:
    """Of all these labels."""
    return sum(image.mistakes(label, lesson) for label in labels)


def fit(images: Sequence[Marked], labels: Sequence[str], prior: Lesson) -> Lesson:
    """Refit on all candidates of these labels; a taste is a single label's."""
    known = [candidates_of(image, labels, prior) for image in images]
    table, target = (torch.cat([getattr(one, name) for one in known]) for name in ("table", "target"))
    taste = learned_taste(known) if len(labels) == 1 else None
    if taste is None:
        weights, _ = refitted(table, target, prior.weights, torch.zeros(len(table)))
        return replace(prior, weights=weights)
    told = torch.cat(list(tastes(known, image_numbers(images))))
    weights, weight = refitted(table, target, prior.weights, told)
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


def candidates_of(image: Marked, labels: Sequence[str], lesson: Lesson) -> Known:
    """All candidates of these labels that the image tells about, with outlines as the lesson leaves them."""
    labels = [label for label in labels if label in image.counts]
    chosen = [torch.tensor([one in labels for one in view.labels], dtype=torch.bool) for view in image.views]
    tables, targets, vectors = [torch.zeros(0, len(CUES))], [torch.zeros(0)], []
    for view, mine in zip(image.views, chosen, strict=True):
        tables.append(view.cues.table[mine].float())
        targets.append(view.rightness(lesson)[mine])
        vectors.append(torch.zeros(len(mine), 0) if view.sight.vectors is None else view.sight.vectors)
        vectors[-1] = vectors[-1][mine].float()
    return Known(torch.cat(tables), torch.cat(targets), torch.cat(vectors) if vectors else torch.zeros(0, 0))


def learned_taste(known: Sequence[Known]) -> Taste | None:
    """What these images teach about looks; None if nothing."""
    seen = [one for one in known if one.vectors.shape[1]]
    if not seen:
        return None
    return taste_of(torch.cat([one.vectors for one in seen]), torch.cat([one.target for one in seen]) > 0)


def tastes(known: Sequence[Known], numbers: Sequence[int]) -> Iterator[Tensor]:
    """How the candidates of each image look, by what images of the other folds taught, (n,) float each.

    What is learned from the image itself would look better than it is, and count for too much.

    Args:
        known: the candidates of each image.
        numbers: of the images.
    """
    by_fold = [
        learned_taste([one for place, one in enumerate(known) if place not in fold])
        for fold in folds(numbers)
    ]
    for number, one in zip(numbers, known, strict=True):
        taste = by_fold[number % FOLDS]
        told = taste and one.vectors.shape[1]
        yield taste.values(one.vectors) if taste and told else torch.zeros(len(one.target))
