"""What people made of our predictions: which reviews a generation learns from, and what they show."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from backend.labelstudio.label_config import Control, Place, all_labels
from backend.labelstudio.origin import OUR_VERSIONS
from backend.labelstudio.outputs import SearchedImage
from backend.labelstudio.references import Annotation
from backend.labelstudio.regions import DrawnRegion, drawn_regions, is_merged, with_one_label
from backend.labelstudio.task_data import image_address
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
        reviewed: how many there are in the project, as far as they were looked at; others may be no reviews.
        annotations: those that are used, in the order of their creation.
        seen: how many are due, also where a bound leaves the older ones out.
    """

    reviewed: int = 0
    annotations: tuple[Annotation, ...] = ()
    seen: int = 0

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
    """Find the reviewed annotations that are due; beyond the bound the most recent ones.

    Annotations beside a prediction that are no reviews of it neither teach nor count.
    """
    if options.mode == "never":
        return Evidence()
    while True:
        reviews = annotations.after_predictions(OUR_VERSIONS)
        index = {each: task for each, task in reviews.items() if each not in wishes.excluded}
        seen = due(len(index), wishes, options)
        used = list(index)[:seen][-options.max_evidence :]
        found = annotations.named({each: index[each] for each in used})
        if all(each.is_review for each in found):
            return Evidence(len(index), tuple(found), seen)
        # Those that are none are known now: what is due is counted, and chosen, without them.


def of_generation(annotations: ProjectAnnotations, note: GenerationNote) -> Evidence:
    """Find the reviewed annotations that a known generation learned from, as far as they still exist."""
    found = annotations.named(annotations.tasks_of(note.evidence)) if note.evidence else []
    return Evidence(note.reviewed, tuple(each for each in found if each.is_review), note.seen)


@dataclass(frozen=True)
class Images:
    """Gets one of the images of each reviewed task, or one after the other of a list.

    Attributes:
        fetcher: gets them.
        searched: which of the images.
        sam: segments what was drawn around.
        limit: bound on the images of lists; of each task there may be one in any case.
    """

    fetcher: ImageFetcher
    searched: SearchedImage
    sam: Sam
    limit: int = 32

    def of_each(self, evidence: Evidence) -> list[tuple[Annotation, SearchedImage]]:
        """Each annotation with each image; beyond the bound those drawn on, and the most recent ones."""
        pairs = [(each, image) for each in evidence.annotations for image in self.searched.of(each.task_data)]
        worth = sorted(range(len(pairs)), key=lambda number: (_is_drawn_on(*pairs[number]), number))
        kept = worth[-max(self.limit, len(evidence.annotations)) :]
        return [pairs[number] for number in sorted(kept)]

    def image(self, annotation: Annotation, key: str) -> DecodedImage:
        """The image of the annotation's task under a key of its data.

        Raises:
            FetchRefusedError: it cannot be had.
            ImageRefusedError: it is none that can be used.
            TransientError: its server does not answer now.
        """
        return self.fetcher.image(image_address(annotation.task_data, key), task_id=annotation.task_id)


def reviewed_images(
    evidence: Evidence,
    controls: Sequence[Control],
    images: Images,
    refusals: list[str],
    *,
    own: Callable[[int, str], frozenset[int]],
    step: Callable[[], object],
) -> Iterator[Reviewed]:
    """Give one image after the other with what a person left on it; those that cannot serve are passed over.

    Args:
        evidence: the annotations.
        controls: of the label config.
        images: gets the images of their tasks.
        refusals: gets a sentence for each that is passed over.
        own: gives the numbers of the references that were painted on an image of a task, under its key.
        step: called before each: the work goes on.
    """
    for annotation, searched in images.of_each(evidence):
        step()
        try:
            regions = list(drawn_things(annotation, controls, searched.place))
            image = images.image(annotation, searched.key)
            masks = things(regions, image, images.sam)
        except (RegionError, RleError, FetchRefusedError, ImageRefusedError, StorageFailedError) as exc:
            told = f"annotation {annotation.id} of task {annotation.task_id} teaches no corrections"
            told += f"{'' if searched.item is None else f' on {searched}'}: {exc}"
            refusals += [told] if told not in refusals else []  # the reviews are gone through more than once
        else:
            yield Reviewed(
                *(image.pixels, masks),
                own=own(annotation.task_id, searched.key),
                labels=frozenset(searched.controls),
                key=(annotation.id, searched.key),
                image_id=image_address(annotation.task_data, searched.key),
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


def drawn_things(annotation: Annotation, controls: Sequence[Control], place: Place) -> Iterator[DrawnRegion]:
    """Give the regions on an image, each of which shows one thing, with one label as predictions have it.

    Raises:
        RegionError: one of them shows many, or the number of its image is none.
    """
    known = all_labels(controls, annotation.task_data)
    for region in with_one_label(drawn_regions(annotation.result, controls, predicted=True), known):
        if region.place != place:
            continue
        if is_merged(region.region):
            raise RegionError("expected one region for each thing, got one that holds many")
        yield region


def _digest(annotation: Annotation) -> str:
    """Of the task's addresses and of what is drawn, whatever the regions' ids and scores."""
    drawn = sorted(json.dumps(_geometry(region), sort_keys=True) for region in annotation.result)
    text = json.dumps([annotation.task_data, drawn], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _geometry(region: Mapping[str, Any]) -> dict[str, Any]:
    """What is drawn, and where; the first image of a list is named as the only image is."""
    item = region.get("item_index")
    return {name: region.get(name) for name in _GEOMETRY} | ({"item_index": item} if item else {})


def _is_drawn_on(annotation: Annotation, image: SearchedImage) -> bool:
    """Whether an annotation has anything on an image."""
    item = image.item or 0
    return any(
        (each.get("to_name"), each.get("item_index") or 0) == (image.to_name, item)
        for each in annotation.result
    )
