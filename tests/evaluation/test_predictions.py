"""``predictions.json`` as COCO tools read it."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from backend.evaluation.predictions import Found, Predicted, coco_json
from backend.evaluation.rle import decode, encode


def test_pycocotools_reads_the_masks_back(tmp_path: Path) -> None:
    mask = np.zeros((3, 5), dtype=np.bool_)
    mask[1, 2:4] = True
    images = [
        Predicted("bare.jpg", "overlays/bare.png", (3, 5), []),
        Predicted("plate.jpg", "overlays/plate.png", (3, 5), [Found("Feige ü", encode(mask), 0.875, -0.25)]),
    ]

    (tmp_path / "predictions.json").write_bytes(coco_json(images, ["date", "Feige ü"]))

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "predictions.json"))
    (annotation,) = coco.anns.values()
    assert (decode(coco.annToRLE(annotation)) == mask).all()
    assert coco.imgs[annotation["image_id"]]["file_name"] == "plate.jpg"
    assert coco.cats[annotation["category_id"]]["name"] == "Feige ü"
    assert (annotation["bbox"], annotation["area"]) == ([2, 1, 2, 1], 2)
    assert (annotation["score"], annotation["similarity"]) == (0.875, -0.25)


def test_finding_nothing_leaves_images_without_annotations() -> None:
    document = json.loads(coco_json([Predicted("bare.jpg", "overlays/bare.png", (3, 5), [])], ["date"]))

    assert document["annotations"] == []
    assert document["images"] == [
        {"id": 1, "file_name": "bare.jpg", "width": 5, "height": 3, "overlay": "overlays/bare.png"}
    ]
