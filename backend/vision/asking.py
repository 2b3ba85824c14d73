"""Asking better: how SAM is asked for the things of a label of which much has to be mended.

Three ways are tried one after the other: in place of each point a box, where the thing there probably lies; a
tuned prompt for these boxes or points; and one for drawing once more what was found. Each image is searched
with what others taught, and it is kept if that saves work.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from backend.vision.box_regression import BoxRegression, regressed
from backend.vision.learned import Learned, Lesson
from backend.vision.lessons import FOLDS, Judged, by_label, image_numbers
from backend.vision.marked import Marked
from backend.vision.pipeline import Models, SearchOptions
from backend.vision.prompt_tuning import Example, tuned
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed, keyed, looked_through
from backend.vision.sam import Sam

PARTS: Mapping["Kind", int] = {"boxes": FOLDS, "prompt": 2, "outline": 2}
"""Into how many parts the images are shared out, each searched with what the others taught: a prompt takes a
minute to tune."""
TOILSOME = 0.1  # mistakes a thing, from which it is worth learning to ask otherwise
KINDS: tuple["Kind", ...] = ("boxes", "prompt", "outline")  # in this order: the last for want of a prompt
LEAST_SAVED = 2  # mistakes of a label: a single one is chance
LABELS = 2  # that are asked for otherwise, at most: each takes minutes of a core

Kind = Literal["boxes", "prompt", "outline"]
"""What is learned about asking, as ``Lesson`` names it: boxes in place of points, what is added to the
embedding for these or those, and what is added where things are drawn once more."""
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
) -> tuple[dict[str, Lesson], list[Marked]]:
    """Learn how SAM is better asked for things of which much has to be mended.

    Args:
        models: the networks.
        references: one or more per label.
        reviewed: gone through once for each kind of asking, and once more where only some labels keep it.
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
    plain = Lesson(options.weights.second)
    none_yet = [plain] * len(set(numbers.values()))
    kept: dict[str, list[Lesson]] = {}  # what has saved work so far, learned without each image
    found: dict[str, Lesson] = {}  # and learned from all
    for kind in KINDS:
        asking = [label for label in toilsome(known, before) if kind != "outline" or unprompted(found, label)]
        tried = {
            label: without_each(models.sam, known, label, kind, kept.get(label, none_yet), step)
            for label in asking
        }
        if not tried:
            continue
        again = searched_again(models, references, reviewed, numbers, kept | tried, options, step)
        old, new = compared(now, again, before, options, step)
        better = saving(old, new, asking)
        for label, lesson in better.items():
            kept[label] = tried[label]
            so_far = found.get(label, plain)
            all_of_it = asked(models.sam, known, label, kind, step, boxed=so_far.boxes is not None)
            judged = replace(lesson, boxes=so_far.boxes, prompt=so_far.prompt, outline=so_far.outline)
            found[label] = with_asking(judged, kind, all_of_it)
        if len(better) == len(tried):
            now, before = again, new
        elif better:
            now = searched_again(models, references, reviewed, numbers, kept, options, step)
            before = by_label(list(now.values()), sorted(before), options, step)
    return found, list(now.values())


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
            seen = looked_through(models, references, some, options, others)
            found |= {key: seen} if seen else {}
    return found


def toilsome(images: Sequence[Marked], judged: Mapping[str, Judged]) -> list[str]:
    """Labels of which so much has to be mended that learning to ask may be worth its time, worst first."""
    things = {label: sum(image.counts.get(label, 0) for image in images) for label in judged}
    toil = {label: mended for label, (mended, _) in judged.items() if mended > TOILSOME * things[label]}
    return sorted(toil, key=lambda label: -toil[label])[:LABELS]


def unprompted(found: Mapping[str, Lesson], label: str) -> bool:
    """Whether no prompt is tuned for a label's points."""
    return label not in found or found[label].prompt is None


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


def without_each(
    sam: Sam,
    images: Sequence[Marked],
    label: str,
    kind: Kind,
    so_far: Sequence[Lesson],
    step: Callable[[], object],
) -> list[Lesson]:
    """Learn one more way to ask for the things of each image from images of the other parts.

    Args:
        sam: the model.
        images: with examples.
        label: whose things.
        kind: the way.
        so_far: what has been learned without each image, by its number.
        step: called every now and then.
    """
    numbered = list(zip(image_numbers(images), images, strict=True))
    boxed = any(lesson.boxes is not None for lesson in so_far)
    by_part = [
        asked(sam, [one for n, one in numbered if n % PARTS[kind] != part], label, kind, step, boxed=boxed)
        for part in range(min(PARTS[kind], len(so_far)))
    ]
    return [with_asking(lesson, kind, by_part[n % PARTS[kind]]) for n, lesson in enumerate(so_far)]


def with_asking(lesson: Lesson, kind: Kind, learned: Asking | None) -> Lesson:
    """The lesson with what was learned of one kind."""
    changes: dict[str, Any] = {kind: learned}
    return replace(lesson, **changes)


def asked(
    sam: Sam, images: Sequence[Marked], label: str, kind: Kind, step: Callable[[], object], *, boxed: bool
) -> Asking | None:
    """Learn a way to ask for a label's things, by boxes if *boxed*; None without an example."""
    if kind == "boxes":
        return regressed([one for image in images for one in image.placed.get(label, ())])
    shown: list[Example] = []
    for image in images:
        if kind == "prompt":
            shown += [replace(one, boxed=boxed) for one in image.pointed.get(label, ())]
        else:
            shown += image.outlined.get(label, ())
    if not shown:
        return None
    return tuple(float(f"{value:.4g}") for value in tuned(sam, shown, step=step).tolist())
