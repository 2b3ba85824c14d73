"""Reviewed: images in which a person has marked every thing, searched as any other."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.vision.learned import NOTHING, Learned
from backend.vision.marked import Marked, marked
from backend.vision.pipeline import Models, SearchOptions, Survey, survey
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding


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


def keyed(reviewed: Iterable[Reviewed]) -> Iterator[tuple[Hashable, Reviewed]]:
    """Give each image with what names it."""
    for number, some in enumerate(reviewed):
        yield number if some.key is None else some.key, some


def surveyed(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    options: SearchOptions,
    learned: Learned,
    step: Callable[[], object],
) -> tuple[Survey, dict[str, list[NDArray[np.bool_]]]] | None:
    """Search one reviewed image by references of other images, and of this one for a label without others.

    Returns:
        What was found, and the things, (H, W) bool each, of the labels that have references from other
        images; None if no label has.
    """
    numbered = [each for each in enumerate(references) if reviewed.looks_for(each[1].label)]
    others = {one.label for number, one in numbered if number not in reviewed.own}
    if not others:
        return None
    asked = [one for number, one in numbered if number not in reviewed.own or one.label not in others]
    found = survey(
        *(models, asked, reviewed.image),
        options=options,
        embedding=reviewed.embedding,
        learned=learned,
        step=step,
    )
    return found, {
        label: [mask for mask in reviewed.masks.get(label, ()) if mask.any()] for label in sorted(others)
    }


def looked_through(
    models: Models,
    references: Sequence[Reference],
    reviewed: Reviewed,
    options: SearchOptions,
    learned: Learned = NOTHING,
    *,
    examples: bool = False,
    step: Callable[[], object] = lambda: None,
) -> Marked | None:
    """Search one reviewed image, if possible by the references of other images.

    A label that has no others competes with those from this image, but nothing is learned about it. Of what
    was *learned* the prompts count. With *examples*, some things are kept to tune others with. After each
    view *step* is called.

    Returns:
        Its candidates with the truth; None if no label has a reference from another image.
    """
    both = surveyed(models, references, reviewed, options, learned, step)
    if both is None:
        return None
    found, masks = both
    seen = marked(models, found, masks, options=options, learned=learned, examples=examples)
    return replace(seen, image_id=reviewed.image_id)
