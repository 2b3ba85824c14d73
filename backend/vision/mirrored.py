"""Mirrored: what a reviewed image shows, seen in mirrors, too.

A corrected image shows few things. In a mirror it shows them once more, and the encoders, which know some
directions better than others, see something else.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.vision.box_regression import Placed, looks_of, placed
from backend.vision.marked import shown_whole
from backend.vision.pipeline import Models
from backend.vision.reviewed import Reviewed
from backend.vision.views import Pixel, views

Axes = tuple[int, ...]
"""Of pixels that are turned about."""
MIRRORS: tuple[Axes, ...] = ((1,), (0,), (0, 1))
MIRRORED_VIEWS = 2  # of an image, those that show most things whole: bounds the work


def placed_of(
    models: Models, scales: Collection[int], reviewed: Reviewed, labels: Sequence[str], *, mirrored: bool
) -> dict[str, tuple[Placed, ...]]:
    """Tell where the things lie, by label, in every view that shows some of them whole.

    Args:
        models: say what each place looks like.
        scales: of the views in which things are looked for.
        reviewed: the image.
        labels: those whose things are all known.
        mirrored: whether some views are looked at in mirrors, too.
    """
    masks = {label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in labels}
    height, width = reviewed.image.shape[:2]
    seen = [view for scale in sorted(scales) for view in views((height, width), scale)]
    whole = {label: shown_whole(seen, things) for label, things in masks.items()}
    counts = [sum(len(each[number]) for each in whole.values()) for number in range(len(seen))]
    richest = sorted((number for number in range(len(seen)) if counts[number]), key=lambda i: -counts[i])
    turns: list[tuple[int, Axes]] = [(number, ()) for number in richest]
    turns += [(number, axes) for number in richest[:MIRRORED_VIEWS] for axes in MIRRORS if mirrored]
    found: dict[str, tuple[Placed, ...]] = dict.fromkeys(labels, ())
    for number, axes in turns:
        window = turned(seen[number].cut(reviewed.image), axes)
        kept = reviewed.embedding if seen[number].whole and not axes else None
        embedding = kept or models.sam.embed(window)
        looks = looks_of(embedding, models.semantic.dense(window, embedding))
        for label, things in masks.items():
            cuts = [turned(seen[number].cut(things[i]), axes) for i in whole[label][number]]
            found[label] += tuple(placed(cuts, embedding, looks))
    return found


def turned(pixels: NDArray[Pixel], axes: Axes) -> NDArray[Pixel]:
    """An image or a mask, (h, w, ...), mirrored."""
    return np.ascontiguousarray(np.flip(pixels, axes)) if axes else pixels
