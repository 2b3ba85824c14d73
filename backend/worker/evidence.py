"""What people made of our predictions: which reviews a generation learns from, and what they show."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.jobs.generations import GenerationNote, Wishes
from backend.labelstudio.annotations import ProjectAnnotations
from backend.labelstudio.errors import (
    FetchRefusedError,
    ImageRefusedError,
    RegionError,
    RleError,
    StorageFailedError,
)
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import DecodedImage
from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import SearchedImage
from backend.labelstudio.references import Annotation
from backend.labelstudio.regions import DrawnRegion, drawn_regions, is_merged
from backend.labelstudio.reviewed_tasks import OUR_VERSIONS
from backend.labelstudio.task_data import task_value
from backend.vision.boxed import thing_inside
from backend.vision.learned import FORMAT
from backend.vision.reduction import Reduction
from backend.vision.reviewed import Reviewed
from backend.vision.sam import Sam
from backend.worker.learning_options import LearningOptions

_GEOMETRY = ("type", "from_name", "to_name", "original_width", "original_height", "image_rotation", "value")


@dataclass(frozen=True, eq=False)
class Evidence:
    """The reviewed annotations that a generation learns from.

    Attributes:
        reviewed: how many there are in the project.
        annotations: those that are used, in the order of their creation.
    """

    reviewed: int = 0
    annotations: tuple[Annotation, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """Of the annotations."""
        return tuple(each.id for each in self.annotations)

    @property
    def starred(self) -> tuple[int, ...]:
        """Those with a ground-truth star: they are references before others are."""
        return tuple(each.id for each in self.annotations if each.ground_truth)

    def content(self) -> list[list[Any]]:
        """All that can change what is learned, to be digested: ids, images and what is drawn."""
        return [[each.id, each.task_id, FORMAT, _digest(each)] for each in self.annotations]


def due(reviewed: int, wishes: Wishes, options: LearningOptions) -> int:
    """Give how many of the reviewed annotations, in the order of their creation, are learned from now.

    The first, then two, four, eight of them, and so on: each generation is worth its run. All of them when
    somebody has asked for it, and then no fewer later.
    """
    if options.mode == "never" or not reviewed:
        return 0
    if wishes.asked:
        return reviewed
    of_itself = 1 << (reviewed.bit_length() - 1) if options.mode == "auto" else 0
    return max(of_itself, min(wishes.count, reviewed))


def next_due(reviewed: int, options: LearningOptions) -> int | None:
    """Give how many more must be reviewed until there is something to learn; None: that never happens."""
    return (1 << reviewed.bit_length()) - reviewed if options.mode == "auto" else None


def gathered(annotations: ProjectAnnotations, wishes: Wishes, options: LearningOptions) -> Evidence:
    """Find the reviewed annotations that are due; beyond the bound the most recent ones."""
    if options.mode == "never":
        return Evidence()
    reviews = annotations.after_predictions(OUR_VERSIONS)
    index = {each: task for each, task in reviews.items() if each not in wishes.excluded}
    used = list(index)[: due(len(index), wishes, options)][-options.max_evidence :]
    found = annotations.named({each: index[each] for each in used})
    return Evidence(len(index), tuple(each for each in found if each.is_review))


def of_generation(annotations: ProjectAnnotations, note: GenerationNote) -> Evidence:
    """Find the reviewed annotations that a known generation learned from, as far as they still exist."""
    found = annotations.named(annotations.tasks_of(note.evidence)) if note.evidence else []
    return Evidence(note.reviewed, tuple(each for each in found if each.is_review))


@dataclass(frozen=True)
class Images:
    """Gets one of the images of each reviewed task.

    Attributes:
        fetcher: gets them.
        searched: which of the images.
        sam: segments what was drawn around.
    """

    fetcher: ImageFetcher
    searched: SearchedImage
    sam: Sam

    def image(self, annotation: Annotation) -> DecodedImage:
        """The image of the annotation's task.

        Raises:
            FetchRefusedError: it cannot be had.
            ImageRefusedError: it is none that can be used.
            TransientError: its server does not answer now.
        """
        key = self.searched.key
        uri = task_value(annotation.task_data, key)
        if not isinstance(uri, str) or not uri:
            raise FetchRefusedError(
                f"expected the address of an image under {key!r} in the task's data, got {uri!r}"
            )
        return self.fetcher.image(uri, task_id=annotation.task_id)


def reviewed_images(
    evidence: Evidence,
    controls: Sequence[Control],
    images: Images,
    refusals: list[str],
    *,
    own: Callable[[int], frozenset[int]],
    step: Callable[[], object],
) -> Iterator[Reviewed]:
    """Give one image after the other with what a person left on it; those that cannot serve are passed over.

    Args:
        evidence: the annotations.
        controls: of the label config.
        images: gets one image of each of their tasks.
        refusals: gets a sentence for each that is passed over.
        own: gives the numbers of the references that were painted on that image of a task.
        step: called before each: the work goes on.
    """
    for annotation in evidence.annotations:
        step()
        try:
            regions = list(drawn_things(annotation, controls, images.searched.to_name))
            image = images.image(annotation)
            masks = things(regions, image, images.sam)
        except (RegionError, RleError, FetchRefusedError, ImageRefusedError, StorageFailedError) as exc:
            told = f"annotation {annotation.id} of task {annotation.task_id} teaches no corrections: {exc}"
            refusals += [told] if told not in refusals else []  # the reviews are gone through more than once
        else:
            labels = frozenset(images.searched.controls)
            yield Reviewed(
                *(image.pixels, masks, own(annotation.task_id)),
                labels=labels,
                key=(annotation.id, images.searched.key),
                image_id=task_value(annotation.task_data, images.searched.key),
            )


def things(
    regions: Iterable[DrawnRegion], image: DecodedImage, sam: Sam
) -> dict[str, tuple[NDArray[np.bool_], ...]]:
    """Every thing that a person left or drew on an image, by label, (h, w) bool each, as it was decoded.

    Args:
        regions: on the image; of a box or an ellipse the thing inside counts.
        image: perhaps decoded at reduced size.
        sam: segments that.

    Raises:
        RegionError: one of them has another size than the image, or cannot be read.
        RleError: one of them cannot be decoded.
    """
    embedded = cache(lambda: sam.embed(image.pixels))
    reduction = Reduction.of(image.pixels.shape[:2], image.size_hw)
    found: dict[str, list[NDArray[np.bool_]]] = defaultdict(list)
    for region in regions:
        mask = region.mask()
        if mask.shape != image.size_hw:
            raise RegionError(f"expected masks of the image's {image.size_hw}, got {mask.shape}")
        mask = reduction.mask(mask)
        if region.control.surrounds and mask.any():
            mask = thing_inside(sam, embedded(), mask)
        for label in region.labels if mask.any() else ():
            found[label].append(mask)
    return {label: tuple(masks) for label, masks in found.items()}


def drawn_things(annotation: Annotation, controls: Sequence[Control], to_name: str) -> Iterator[DrawnRegion]:
    """Give the regions on an image, each of which shows one thing.

    Raises:
        RegionError: one of them shows many.
    """
    for region in drawn_regions(annotation.result, controls, predicted=True):
        if region.control.to_name != to_name:
            continue
        if is_merged(region.region):
            raise RegionError("expected one region for each thing, got one that holds many")
        yield region


def _digest(annotation: Annotation) -> str:
    """Of the task's addresses and of what is drawn, whatever the regions' ids and scores."""
    drawn = sorted(
        json.dumps({name: region.get(name) for name in _GEOMETRY}, sort_keys=True)
        for region in annotation.result
    )
    text = json.dumps([annotation.task_data, drawn], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
