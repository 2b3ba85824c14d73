"""Masks in true boxes, on a tiny random SAM."""

import numpy as np
import torch

from backend.evaluation.oracle import in_true_boxes
from backend.evaluation.rle import encode
from backend.evaluation.scene import Scene
from backend.vision.pipeline import Models


def test_each_true_mask_gives_the_mask_that_sam_draws_in_its_box(models: Models) -> None:
    """Rows 5 to 14, columns 20 to 49: the box ends on the last of them, x before y."""
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    embedding = models.sam.embed(image)
    near, far = np.zeros((2, 40, 60), dtype=np.bool_)
    near[5:15, 20:50] = True
    far[30:39, 1:9] = True
    scene = Scene(image, embedding, (), {"fig": (encode(near), encode(far)), "date": (encode(far),)})

    found = in_true_boxes(models, scene, "fig")

    boxes_xyxy = torch.tensor([[20, 5, 49, 14], [1, 30, 8, 38]])
    logits = models.sam.decode(embedding, boxes_xyxy=boxes_xyxy, multimask=False).logits[:, 0]
    expected = models.sam.upscale(logits, embedding) > 0
    assert [one.label for one in found] == ["fig", "fig"]
    assert all(np.array_equal(one.mask, mask) for one, mask in zip(found, expected.numpy(), strict=True))


def test_where_nothing_is_nothing_is_found(models: Models) -> None:
    image = np.zeros((40, 60, 3), dtype=np.uint8)

    assert in_true_boxes(models, Scene(image, models.sam.embed(image), (), {"fig": ()}), "fig") == []
