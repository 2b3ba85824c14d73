"""``predictions.json``: what was found, in COCO's format."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.evaluation.rle import Rle, area, box_xywh


@dataclass(frozen=True)
class Found:
    """One found instance.

    Attributes:
        label: what it is.
        rle: its mask.
        confidence: how much to trust it, in [0, 1].
        similarity: how much it looks like the reference, in [-1, 1].
    """

    label: str
    rle: Rle
    confidence: float
    similarity: float


@dataclass(frozen=True)
class Predicted:
    """One image with all that was found on it.

    Attributes:
        file_name: the image as it was named.
        overlay: its overlay, relative to the file written.
        size_hw: as it is shown, after EXIF rotation.
        found: the instances.
    """

    file_name: str
    overlay: str
    size_hw: tuple[int, int]
    found: Sequence[Found]


def coco_json(images: Sequence[Predicted], labels: Sequence[str]) -> bytes:
    """COCO's ``images``, ``categories`` and ``annotations``, as JSON in UTF-8.

    Args:
        images: in the order of their ids, from 1.
        labels: the categories in the order of their ids, from 1; each found label is one of them.
    """
    categories = {label: number for number, label in enumerate(labels, start=1)}
    annotations = [
        _annotation(found, image_id, categories[found.label])
        for image_id, image in enumerate(images, start=1)
        for found in image.found
    ]
    document = {
        "images": [_image(image, number) for number, image in enumerate(images, start=1)],
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
        "annotations": [{"id": number, **a} for number, a in enumerate(annotations, start=1)],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def _image(image: Predicted, number: int) -> dict[str, Any]:
    """One entry of ``images``."""
    height, width = image.size_hw
    return {
        "id": number,
        "file_name": image.file_name,
        "width": width,
        "height": height,
        "overlay": image.overlay,
    }


def _annotation(found: Found, image_id: int, category_id: int) -> dict[str, Any]:
    """One entry of ``annotations``, without its id."""
    return {
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": found.rle,
        "bbox": box_xywh(found.rle),
        "area": area(found.rle),
        "iscrowd": 0,
        "score": round(found.confidence, 6),
        "similarity": round(found.similarity, 6),
    }
