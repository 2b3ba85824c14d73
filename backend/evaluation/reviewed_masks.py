"""The masks that people reviewed, for training something else: COCO and CSV."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from backend.evaluation.rle import Rle, area, box_xywh, encode
from backend.labelstudio.label_config import Control
from backend.labelstudio.regions import DrawnRegion, drawn_regions, region_size
from backend.labelstudio.review import RegionReview, Review
from backend.labelstudio.task_data import task_value

_COLUMNS = (
    *("task", "annotation", "image", "width", "height", "region", "label", "outcome", "iou"),
    *("x", "y", "w", "h", "area", "rle"),
)
SizeOf = Callable[[str, int], tuple[int, int]]  # address and task to height and width


@dataclass(frozen=True)
class ReviewedMask:
    """One mask as a person submitted it: its label, what became of the predicted one, its IoU with that."""

    region_id: str
    label: str
    outcome: str
    iou: float | None
    rle: Rle


@dataclass(frozen=True)
class ReviewedImage:
    """One image with everything on it, as a person submitted it.

    Attributes:
        task_id: its task's.
        annotation_id: the annotation's.
        address: as it stands in the task's data.
        size_hw: in pixels, as it is shown.
        masks: all of them; an image may hold none.
    """

    task_id: int
    annotation_id: int
    address: str
    size_hw: tuple[int, int]
    masks: tuple[ReviewedMask, ...]


def reviewed_image(
    review: Review,
    outcomes: Iterable[RegionReview],
    controls: Sequence[Control],
    size_of: SizeOf,
    *,
    item: int | None = None,
) -> ReviewedImage:
    """What a person submitted for one image.

    Args:
        review: the annotation, beside its prediction.
        outcomes: what ``compare`` said of it.
        controls: those of the label config that draw on this image.
        size_of: height and width of the image at an address of a task: asked if no region tells them.
        item: the number of the image in the list that its Image shows; None: the only one.

    Raises:
        RegionError: a region does not fit its control.
        RleError: a region cannot be decoded.
    """
    before, after = (
        [each for each in drawn_regions(result, controls, predicted=True) if each.item == item]
        for result in (review.predicted, review.submitted)
    )
    on_it = [*after, *before]
    address = str(task_value(review.task_data, controls[0].key_of(item)) or "")
    size_hw = region_size(on_it[0].region) if on_it else size_of(address, review.task_id)
    masks = tuple(_masks(after, outcomes))
    return ReviewedImage(review.task_id, review.annotation_id, address, size_hw, masks)


def _masks(regions: Iterable[DrawnRegion], outcomes: Iterable[RegionReview]) -> Iterator[ReviewedMask]:
    """The masks of the submitted regions that were compared: the others are empty, or on another image."""
    by_region = {(each.region_id, each.label): each for each in outcomes if each.outcome != "deleted"}
    for drawn in regions:
        found = [by_region[drawn.id, label] for label in drawn.labels if (drawn.id, label) in by_region]
        if found:
            rle = encode(drawn.mask())
            yield from (ReviewedMask(drawn.id, each.label, each.outcome, each.iou, rle) for each in found)


def coco_document(images: Sequence[ReviewedImage], labels: Iterable[str], *, description: str) -> bytes:
    """COCO's ``images``, ``categories`` and ``annotations``, as JSON in UTF-8.

    The id of an image is that of its task; further images of a task have ids beyond those. ``outcome`` and
    ``iou`` say what became of the predicted mask.

    Args:
        images: all that were reviewed.
        labels: those of the label config, in its order; others follow.
        description: of the data set.
    """
    names = dict.fromkeys([*labels, *(mask.label for image in images for mask in image.masks)])
    categories = {label: number for number, label in enumerate(names, start=1)}
    ids = _image_ids(images)
    masks = [(number, mask) for number, image in zip(ids, images, strict=True) for mask in image.masks]
    document = {
        "info": {"description": description},
        "images": [_coco_image(number, image) for number, image in zip(ids, images, strict=True)],
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
        "annotations": [
            {"id": number, "image_id": image_id, **_coco_annotation(mask, categories[mask.label])}
            for number, (image_id, mask) in enumerate(masks, start=1)
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def csv_document(images: Iterable[ReviewedImage]) -> bytes:
    """A line for each mask, in UTF-8; ``rle`` are the counts of COCO's compressed run lengths."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for image in images:
        height, width = image.size_hw
        for mask in image.masks:
            about = (image.task_id, image.annotation_id, image.address, width, height)
            what = (mask.region_id, mask.label, mask.outcome, _rounded(mask.iou))
            box = (f"{side:g}" for side in box_xywh(mask.rle))
            writer.writerow([*about, *what, *box, area(mask.rle), mask.rle["counts"]])
    return text.getvalue().encode()


def _image_ids(images: Sequence[ReviewedImage]) -> list[int]:
    beyond = count(1 + max((image.task_id for image in images), default=0))
    taken: set[int] = set()
    ids = []
    for image in images:
        ids.append(next(beyond) if image.task_id in taken else image.task_id)
        taken.add(image.task_id)
    return ids


def _coco_image(number: int, image: ReviewedImage) -> dict[str, Any]:
    height, width = image.size_hw
    return {
        "id": number,
        "file_name": image.address,
        "width": width,
        "height": height,
        "task": image.task_id,
        "annotation": image.annotation_id,
    }


def _coco_annotation(mask: ReviewedMask, category_id: int) -> dict[str, Any]:
    return {
        "category_id": category_id,
        "segmentation": mask.rle,
        "bbox": box_xywh(mask.rle),
        "area": area(mask.rle),
        "iscrowd": 0,
        "outcome": mask.outcome,
        "iou": _rounded(mask.iou),
    }


def _rounded(iou: float | None) -> float | None:
    return None if iou is None else round(iou, 6)
