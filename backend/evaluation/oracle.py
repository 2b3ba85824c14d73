"""SAM given each true box: the limit of the mask decoder, whatever finds the objects."""

import numpy as np

from backend.evaluation.rle import box_xywh
from backend.evaluation.scene import Scene, decoded_instance
from backend.vision.instance import Instance
from backend.vision.pipeline import Models


def in_true_boxes(models: Models, scene: Scene, label: str) -> list[Instance]:
    """One mask for the box of each true instance of a label, from its first pixels to its last.

    It is the one mask that SAM has for clear prompts: measured, it is better than the best of its three by
    predicted IoU; and so is a box that ends on the last pixels, as SAM was trained, not at their outer edges.

    Args:
        models: the networks; the semantic one is not used.
        scene: the image with its true masks.
        label: which of them.
    """
    boxes_xywh = np.array([box_xywh(rle) for rle in scene.true.get(label, ())], dtype=np.float32)
    if not len(boxes_xywh):
        return []
    boxes_xyxy = np.hstack([boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:] - 1])
    answer = models.sam.decode(scene.embedding, boxes_xyxy=boxes_xyxy, multimask=False)
    found = [
        decoded_instance(models.sam, scene, label, logits[0], iou=float(iou[0]), similarity=0)
        for logits, iou in zip(answer.logits, answer.iou, strict=True)
    ]
    return [instance for instance in found if instance]
