"""Asking better: how SAM is asked for the things of a label of which much has to be mended.

Three ways are tried one after the other, until one is kept: a box in place of each point, where the thing
there probably lies; a tuned prompt for the points; and one for drawing once more what was found. Each image
is searched with what others taught. What boxes save on a few images is mostly chance: they are kept where
enough of them are right in every image, unless they surely cost work; another way, if it saves work.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from backend.vision.box_regression import BoxRegression, Placed, regressed, share_right
from backend.vision.learned import Learned, Lesson
from backend.vision.lessons import FOLDS, Judged, by_label, image_numbers
from backend.vision.marked import Marked
from backend.vision.mirrored import placed_of
from backend.vision.pipeline import Models, SearchOptions, exemplars_of
from backend.vision.prompt_tuning import Example, tuned
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed, keyed, looked_through
from backend.vision.sam import Sam

PARTS: Mapping["Kind", int] = {"boxes": FOLDS, "prompt": 2, "outline": 2}
"""Into how many parts the images are shared out, each searched with what the others taught: a prompt takes a
minute to tune."""
TOILSOME = 0.1  # mistakes a thing, from which it is worth learning to ask otherwise
FEWEST = 3  # mistakes about a label, likewise: what spares fewer is chance
LEAST_SAVED = 2  # mistakes, by asking otherwise: a single one is chance
KINDS: tuple["Kind", ...] = ("boxes", "prompt", "outline")  # in this order, each for want of the one before
ENOUGH_RIGHT = 0.4  # of an image's things have the right box by what others taught: sizes do not differ more
BOXED = 4  # images at least: sizes that are alike in three may be others in the next
FEW = 100  # things of a label, below which their images are looked at in mirrors, too
LABELS = 2  # that are asked for otherwise, at most: each takes minutes of a core

Kind = Literal["boxes", "prompt", "outline"]
"""What is learned about asking, as ``Lesson`` names it: boxes in place of points, what is added to the
embedding for points, and what is added where things are drawn once more."""
Asking = BoxRegression | tuple[float, ...]
"""What was learned of one kind."""


def asked_better(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    images: Mapping[Hashable, Marked],
    before: Mapping[str, Judged],
    options: SearchOptions,
    step: Callable[[], object],
) -> tuple[dict[str, Lesson], dict[Hashable, Marked]]:
    """Learn how SAM is better asked for things of which much has to be mended.

    Args:
        models: the networks.
        references: one or more per label.
        reviewed: gone through once to see where things lie, once for each kind of asking, and once more where
            only some labels keep it.
        images: as they were searched as ever, with examples, by their keys.
        before: how they were judged, by label.
        options: as the search has them.
        step: called every now and then.

    Returns:
        The lessons of the labels for which it saves work, and the images as they were searched with these,
        each with what was learned without it.
    """
    known, now = list(images.values()), images
    numbers = dict(zip(images, image_numbers(known), strict=True))
    worst = toilsome(known, before)
    taught = looked_at(models, references, reviewed, images, worst, options, step) if worst else []
    kept: dict[str, list[Lesson]] = {}  # what has saved work so far, learned without each image
    found: dict[str, Lesson] = {}  # and learned from all
    for kind in KINDS:
        asking = [label for label in toilsome(known, before) if label in worst and label not in found]
        tried = {label: without_each(models.sam, taught, label, kind, options, step) for label in asking}
        if kind == "boxes":
            tried = {label: some for label, some in tried.items() if boxes_fit(taught, label, some)}
        if not tried:
            continue
        again = searched_again(models, references, reviewed, numbers, kept | tried, options, step)
        old, new = compared(now, again, before, options, step)
        better = (bearable if kind == "boxes" else saving)(old, new, list(tried))
        for label, lesson in better.items():
            kept[label] = tried[label]
            found[label] = with_asking(lesson, kind, asked(models.sam, taught, label, kind, step))
        if len(better) == len(tried):
            now, before = again, new
        elif better:
            now = searched_again(models, references, reviewed, numbers, kept, options, step)
            before = by_label(list(now.values()), sorted(before), options, step)
    return found, dict(now)


@dataclass(frozen=True, eq=False)
class Taught:
    """A reviewed image from which it is learned how to ask.

    Attributes:
        marked: as it was searched as ever, with examples.
        placed: where its things lie, by label.
    """

    marked: Marked
    placed: Mapping[str, Sequence[Placed]]


def looked_at(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    images: Mapping[Hashable, Marked],
    labels: Sequence[str],
    options: SearchOptions,
    step: Callable[[], object],
) -> list[Taught]:
    """See where the things of these labels lie in each of the *images*; in mirrors, too, if they are few."""
    if len(images) < BOXED:
        return [Taught(image, {}) for image in images.values()]
    things = [sum(image.counts.get(label, 0) for image in images.values()) for label in labels]
    asking = [one for one in references if one.label in labels]
    scales = {one.prototype.scale for one in exemplars_of(asking, options)}
    seen: dict[Hashable, Mapping[str, Sequence[Placed]]] = {}
    for key, some in keyed(reviewed):
        if key in images:
            step()
            known = [label for label in labels if label in images[key].counts]
            seen[key] = placed_of(models, scales, some, known, mirrored=min(things) < FEW)
    return [Taught(image, seen.get(key, {})) for key, image in images.items()]


def boxes_fit(images: Sequence[Taught], label: str, lessons: Sequence[Lesson]) -> bool:
    """Whether enough boxes are right in every one of enough images, by the lesson of its number.

    That is what the others taught.
    """
    numbers = image_numbers([one.marked for one in images])
    shown = [(lessons[n].boxes, one.placed.get(label, ())) for n, one in zip(numbers, images, strict=True)]
    shares = [share_right(boxes, things) if boxes else 0.0 for boxes, things in shown if things]
    return len(shares) >= BOXED and min(shares) >= ENOUGH_RIGHT


def searched_again(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    numbers: Mapping[Hashable, int],
    without_it: Mapping[str, Sequence[Lesson]],
    options: SearchOptions,
    step: Callable[[], object],
) -> dict[Hashable, Marked]:
    """Search each of the images that have a number, by key, as was learned without it."""
    found: dict[Hashable, Marked] = {}
    for key, some in keyed(reviewed):
        if key in numbers:
            step()
            others = Learned({label: each[numbers[key]] for label, each in without_it.items()})
            seen = looked_through(models, references, some, options, others, step=step)
            found |= {key: seen} if seen else {}
    return found


def toilsome(images: Sequence[Marked], judged: Mapping[str, Judged]) -> list[str]:
    """Labels of which so much has to be mended that learning to ask may be worth its time, worst first."""
    things = {label: sum(image.counts.get(label, 0) for image in images) for label in judged}
    toil = {
        label: mended
        for label, (mended, _) in judged.items()
        if mended >= FEWEST and mended > TOILSOME * things[label]
    }
    return sorted(toil, key=lambda label: -toil[label])[:LABELS]


def compared(
    before: Mapping[Hashable, Marked],
    after: Mapping[Hashable, Marked],
    judged: Mapping[str, Judged],
    options: SearchOptions,
    step: Callable[[], object],
) -> tuple[Mapping[str, Judged], Mapping[str, Judged]]:
    """Judge images before and after, by label: only those that are there twice, for that none is no saving.

    Args:
        before: by their keys.
        after: the same searched otherwise; some may be gone.
        judged: all of *before*, by label.
        options: as the search has them.
        step: called every now and then.
    """
    labels = sorted({label for image in after.values() for label in image.counts})
    is_whole = len(after) == len(before)
    old = judged if is_whole else by_label([before[key] for key in after], labels, options, step)
    return old, by_label(list(after.values()), labels, options, step)


def saving(old: Mapping[str, Judged], new: Mapping[str, Judged], labels: Sequence[str]) -> dict[str, Lesson]:
    """Lessons of those of these labels that are surely better off; none where others lose more by it.

    Args:
        old: how all labels were judged before.
        new: and how with what these labels have learned.
        labels: those that have learned something.
    """
    if sum(mended for mended, _ in new.values()) >= sum(mended for mended, _ in old.values()):
        return {}
    saved = {label: old[label][0] - new[label][0] for label in labels if label in new}
    return {label: new[label][1] for label, mistakes in saved.items() if mistakes >= LEAST_SAVED}


def bearable(
    old: Mapping[str, Judged], new: Mapping[str, Judged], labels: Sequence[str]
) -> dict[str, Lesson]:
    """Lessons of those of these labels that are not surely worse off; none where all labels together are.

    Counts of mistakes differ by chance: more than the square root of their sum is taken for sure.

    Args:
        old: how all labels were judged before.
        new: and how with what these labels have learned.
        labels: those that have learned something.
    """
    totals = [sum(mended for mended, _ in each.values()) for each in (old, new)]
    if surely_more(totals[1], totals[0]):
        return {}
    both = [label for label in labels if label in new]
    return {label: new[label][1] for label in both if not surely_more(new[label][0], old[label][0])}


def surely_more(count: int, other: int) -> bool:
    """Whether one count of mistakes is above another by more than chance."""
    return count - other > math.sqrt(count + other)


def without_each(
    sam: Sam,
    images: Sequence[Taught],
    label: str,
    kind: Kind,
    options: SearchOptions,
    step: Callable[[], object],
) -> list[Lesson]:
    """Learn a way to ask for the things of each image, by its number, from images of the other parts.

    Args:
        sam: the model.
        images: all of them.
        label: whose things.
        kind: the way.
        options: as the search has them.
        step: called every now and then.
    """
    numbered = list(zip(image_numbers([one.marked for one in images]), images, strict=True))
    count = len({number for number, _ in numbered})
    by_part = [
        asked(sam, [one for n, one in numbered if n % PARTS[kind] != part], label, kind, step)
        for part in range(min(PARTS[kind], count))
    ]
    plain = Lesson(options.weights.second)
    return [with_asking(plain, kind, by_part[n % PARTS[kind]]) for n in range(count)]


def with_asking(lesson: Lesson, kind: Kind, learned: Asking | None) -> Lesson:
    """The lesson with what was learned of one kind."""
    changes: dict[str, Any] = {kind: learned}
    return replace(lesson, **changes)


def asked(
    sam: Sam, images: Sequence[Taught], label: str, kind: Kind, step: Callable[[], object]
) -> Asking | None:
    """Learn a way to ask for a label's things; None without an example."""
    if kind == "boxes":
        return regressed([one for image in images for one in image.placed.get(label, ())])
    shown: list[Example] = []
    for image in (one.marked for one in images):
        if kind == "prompt":
            shown += image.pointed.get(label, ())
        else:
            shown += image.outlined.get(label, ())
    if not shown:
        return None
    return tuple(float(f"{value:.4g}") for value in tuned(sam, shown, step=step).tolist())
