"""COCO mask AP, computed by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from backend.evaluation.rle import Rle, area, box_xywh

COCO_MAX_DETECTIONS = 100


@dataclass(frozen=True)
class Scored:
    """What was found of one class on one of its test images, and what is there.

    Attributes:
        image: name of the image.
        category: (group, class).
        found: the found masks with their confidence.
        true: the true masks.
    """

    image: str
    category: tuple[str, str]
    found: Sequence[tuple[Rle, float]]
    true: Sequence[Rle]


def average_precision(results: Sequence[Scored]) -> dict[tuple[str, str], float]:
    """Mask AP (mean over IoU 0.50 to 0.95) of each category, as COCO computes it.

    COCO looks at the best 100 instances of an image; where more are true or found, all are looked at.
    """
    images = {result.image: number for number, result in enumerate(results, start=1)}
    categories = {name: number for number, name in enumerate(sorted({r.category for r in results}), start=1)}
    true = [_annotation(rle, images[r.image], categories[r.category]) for r in results for rle in r.true]
    found = [
        {**_annotation(rle, images[r.image], categories[r.category]), "score": score}
        for r in results
        for rle, score in r.found
    ]
    if not true or not found:
        return dict.fromkeys(categories, 0.0)
    most = max(max(len(r.true), len(r.found)) for r in results)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools tells what it does by print
        precision = _precision(categories, true, found, max(COCO_MAX_DETECTIONS, most))
    return {name: _mean(precision[:, :, number - 1, 0, -1]) for name, number in categories.items()}


def _precision(
    categories: dict[tuple[str, str], int],
    true: list[dict[str, Any]],
    found: list[dict[str, Any]],
    max_detections: int,
) -> Any:  # noqa: ANN401 - pycocotools is untyped
    """The ``precision`` of pycocotools: (IoU threshold, recall, category, area range, max detections)."""
    base = {
        "images": [_image(a) for a in {a["image_id"]: a for a in (*true, *found)}.values()],
        "categories": [{"id": number} for number in categories.values()],
    }
    truth, detections = COCO(), COCO()
    truth.dataset = {**base, "annotations": _numbered(true)}
    detections.dataset = {**base, "annotations": _numbered(found)}
    truth.createIndex()
    detections.createIndex()
    evaluation = COCOeval(truth, detections, "segm")
    evaluation.params.maxDets = [max_detections]
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval["precision"]


def _annotation(rle: Rle, image_id: int, category_id: int) -> dict[str, Any]:
    """One mask as COCO lists it."""
    return {
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": rle,
        "area": area(rle),
        "bbox": box_xywh(rle),
        "iscrowd": 0,
    }


def _image(annotation: dict[str, Any]) -> dict[str, Any]:
    """The image of an annotation as COCO lists it."""
    height, width = annotation["segmentation"]["size"]
    return {"id": annotation["image_id"], "height": height, "width": width}


def _numbered(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With ids from 1: pycocotools takes 0 for "no match"."""
    return [{**annotation, "id": number} for number, annotation in enumerate(annotations, start=1)]


def _mean(precision: Any) -> float:  # noqa: ANN401
    """Mean of the defined entries; COCO marks the others with -1."""
    defined = precision[precision > -1]
    return float(np.mean(defined)) if defined.size else 0.0
