"""Lessons about edges: of labels whose things are found with outlines that people mend all the same.

The images are searched once more with all else that was learned. What is found is compared with what people
marked, and where an outline learned from the other images would be nearer to that, it is kept.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.edge_regression import Corrected, EdgeRegression, colours_of, corrected, regressed
from backend.vision.learned import Learned, Lesson
from backend.vision.lessons import FOLDS, SURELY, image_numbers
from backend.vision.marked import ENOUGH_SHOWN, GOOD, RIGHT, Marked, iou
from backend.vision.pipeline import Models, SearchOptions, Seen, evidence_of, finished_claims, survey
from backend.vision.prototype import reference_logits
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed, asked_about, keyed

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
            for label, shown in outlines_of(models, references, some, so_far, options, step):
                if label in asking:
                    outlines[label].setdefault(numbers[key], []).append(shown)
    found = dict(learned)
    for label, by_image in sorted(outlines.items()):
        step()
        if is_better(by_image, step):
            edges = learned_from(by_image.values(), step)
            found[label] = replace(learned.get(label, plain), edges=edges)
    return found


def outlines_of(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    learned: Learned,
    options: SearchOptions,
    step: Callable[[], object],
) -> Iterator[tuple[str, Corrected]]:
    """Search one reviewed image; give what is found of things that a person has marked, with its label."""
    asked = asked_about(references, reviewed)
    if asked is None:
        return
    found = survey(
        *(models, asked.references, reviewed.image),
        options=options,
        embedding=reviewed.embedding,
        learned=learned,
        step=step,
    )
    masks = {label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in asked.labels}
    for seen, evidence in zip(found.seen, evidence_of(found, options, learned), strict=True):
        true = {label: things_in(seen, things) for label, things in masks.items()}
        colours = colours_of(seen.view.cut(reviewed.image), seen.embedding)
        for claim in finished_claims(models.sam, found, seen, evidence, options, learned):
            things = true.get(claim.label)
            if things is None or not len(things):
                continue
            ious = iou(claim.candidate.mask[None], things)[0]
            if float(ious.max()) >= RIGHT:
                thing = things[int(ious.argmax())]
                shown = corrected(claim.candidate.mask.cpu().numpy(), thing.cpu().numpy(), colours)
                if shown is not None:
                    yield claim.label, shown


def things_in(seen: Seen, things: Sequence[NDArray[np.bool_]]) -> Tensor:
    """Those of the things, (H, W) bool each, of which enough lies in a view, (n, 4h, 4w) bool."""
    cuts = [(seen.view.cut(mask), int(mask.sum())) for mask in things]
    shown = [
        reference_logits(cut, seen.embedding) > 0 for cut, area in cuts if cut.sum() > ENOUGH_SHOWN * area
    ]
    side = 4 * seen.embedding.grid_hw[0]
    return torch.stack(shown) if shown else torch.zeros(0, side, side, dtype=torch.bool)


def learned_from(images: Iterable[Sequence[Corrected]], step: Callable[[], object]) -> EdgeRegression | None:
    """Learn from some of the outlines of all these images."""
    shown = [one for image in images for one in image]
    return regressed(shown[:: max(1, -(-len(shown) // MOST))], step=step)


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
        others = [some for number, some in images.items() if number % FOLDS != fold]
        edges = learned_from(others, step)
        for number, some in images.items():
            if number % FOLDS != fold:
                continue
            if edges is None or fmean(edges.knows(one.rim) for one in some) < ALIKE:
                return False
            pairs = [(one.iou(), one.iou(edges)) for one in some]
            gained = [after - before for before, after in pairs]
            if fmean(gained) < -BEARABLE:
                return False
            gains += gained
            good += sum((after >= GOOD) - (before >= GOOD) for before, after in pairs)
    error = math.sqrt(sum(gain**2 for gain in gains))
    return good > 0 and sum(gains) >= SURELY * error
