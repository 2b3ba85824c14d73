"""Lessons about edges: of labels whose things are found with outlines that people mend all the same.

The images are searched once more with all else that was learned. What is found is compared with what people
marked, and where edges learned from the other images bring outlines nearer to that, they are kept.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from backend.vision.by_boxes import by_boxes
from backend.vision.edge_regression import Corrected, EdgeRegression, corrected, regressed
from backend.vision.learned import Learned, Lesson
from backend.vision.lessons import FOLDS, SURELY, image_numbers
from backend.vision.marked import GOOD, RIGHT, Marked, iou, shown_things
from backend.vision.pipeline import Models, SearchOptions, finished_claims, weighed
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed, keyed, surveyed
from backend.vision.rim import colours_of

FEWEST = 3  # mistakes about a label, and images with outlines: fewer teach nothing for sure
ALIKE = 0.6  # of an image's things have colours that other images show: else images differ too much
BEARABLE = 0.02  # of IoU that the outlines of an image may lose in the mean: chance
MOST = 512  # outlines that are learned from: bounds time and memory with many images

ByImage = dict[int, list[Corrected]]
"""The outlines of a label, by the number of the image; of none is the list empty."""


def with_edges(
    models: Models,
    references: Sequence[Reference],
    reviewed: Iterable[Reviewed],
    images: Mapping[Hashable, Marked],
    learned: Mapping[str, Lesson],
    options: SearchOptions,
    step: Callable[[], object],
) -> dict[str, Lesson]:
    """Learn where people see the edge, label by label.

    Args:
        models: the networks.
        references: one or more per label.
        reviewed: gone through once, if there is anything to learn.
        images: as they were searched, by their keys.
        learned: what else was learned, by label.
        options: as the search has them.
        step: called every now and then.

    Returns:
        All lessons: those of before, and those that only move outlines.
    """
    plain = Lesson(options.weights.second)
    labels = {label for image in images.values() for label in image.counts}
    mended = {
        label: sum(image.mistakes(label, learned.get(label, plain)) for image in images.values())
        for label in labels
    }
    asking = {label for label, count in mended.items() if count >= FEWEST}
    if not asking:
        return dict(learned)
    numbers = dict(zip(images, image_numbers(list(images.values())), strict=True))
    outlines: dict[str, ByImage] = {label: {} for label in asking}
    so_far = Learned(learned)
    for key, some in keyed(reviewed):
        if key in images:
            step()
            shown = list(outlines_of(models, references, some, so_far, options, step))
            for label in asking:
                mine = [one for name, one in shown if name == label]
                if mine:
                    outlines[label].setdefault(numbers[key], []).extend(some_of(mine, len(images)))
    found = dict(learned)
    for label, by_image in sorted(outlines.items()):
        if is_better(by_image, step):
            found[label] = replace(learned.get(label, plain), edges=learned_from(by_image.values()))
    return found


def outlines_of(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    learned: Learned,
    options: SearchOptions,
    step: Callable[[], object],
) -> Iterator[tuple[str, Corrected]]:
    """Search one reviewed image; give what is found of things that a person has marked, with its label.

    And with what SAM draws besides, by boxes around it.
    """
    both = surveyed(models, references, reviewed, options, learned, step)
    if both is None:
        return
    found, masks = both
    for seen, sight, evidence in weighed(found, options, learned):
        true = {label: shown_things(seen, things)[1] for label, things in masks.items()}
        colours = colours_of(seen.view.cut(reviewed.image), seen.embedding)
        for claim in finished_claims(models.sam, found, seen, sight, evidence, options, learned):
            things = true.get(claim.label)
            if things is None or not len(things):
                continue
            ious = iou(claim.candidate.mask[None], things)[0]
            if float(ious.max()) >= RIGHT:
                thing, logits = things[int(ious.argmax())], claim.candidate.logits
                drawn = [logits > 0, *by_boxes(models.sam, seen.embedding, logits)]
                shown = corrected([one.cpu().numpy() for one in drawn], thing.cpu().numpy(), colours)
                if shown is not None:
                    yield claim.label, shown


def some_of(shown: Sequence[Corrected], images: int) -> Sequence[Corrected]:
    """As many of an image's outlines, at least one, as so many images may have: ``MOST`` together."""
    return shown[:: max(1, -(-len(shown) * images // MOST))]


def learned_from(images: Iterable[Sequence[Corrected]]) -> EdgeRegression | None:
    """Learn from the outlines of all these images."""
    return regressed([one for image in images for one in image])


def is_better(images: ByImage, step: Callable[[], object]) -> bool:
    """Whether outlines are surely nearer to what people marked by what other images taught.

    More of them are good then, their IoU has risen by two standard errors, and no image loses much by it.
    Images must be alike for that: what two pale ones teach each other is no good for dark ones.
    """
    if len(images) < FEWEST:
        return False
    gains: list[float] = []
    good = 0
    for fold in range(FOLDS):
        step()
        edges = learned_from(some for number, some in images.items() if number % FOLDS != fold)
        for number, some in images.items():
            if number % FOLDS != fold:
                continue
            if edges is None or fmean(one.known(edges) for one in some) < ALIKE:
                return False
            pairs = [(one.iou(), one.iou(edges)) for one in some]
            gained = [after - before for before, after in pairs]
            if fmean(gained) < -BEARABLE:
                return False
            gains += gained
            good += sum((after >= GOOD) - (before >= GOOD) for before, after in pairs)
    error = math.sqrt(sum(gain**2 for gain in gains))
    return good > 0 and sum(gains) >= SURELY * error
