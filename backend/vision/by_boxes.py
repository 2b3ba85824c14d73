"""By boxes: other outlines of a thing that was found, where its own is half of it or half as large again."""

import torch
from torch import Tensor

from backend.vision.refine import box_xyxy
from backend.vision.sam import ImageEmbedding, Sam

SIDES = (0.75, 1.0, 4 / 3)  # of the found outline's box, about its middle
SAME_THING = 0.5  # IoU with the outline that was found


def by_boxes(sam: Sam, embedding: ImageEmbedding, logits: Tensor) -> Tensor:
    """Draw what was found by its own box, by a smaller and by a larger one: part, whole and more of each.

    Args:
        sam: the model.
        embedding: the image.
        logits: of what was found, (4h, 4w) float.

    Returns:
        The outlines that show the same thing, (n, 4h, 4w) bool.
    """
    mask = logits > 0
    box = box_xyxy(mask, embedding)
    if box is None:
        return mask[None][:0]
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    height, width = embedding.size_hw
    boxes = torch.stack([torch.cat([middle - by * half, middle + by * half]) for by in SIDES]).clamp_min(0)
    boxes = torch.minimum(boxes, boxes.new_tensor([width, height, width, height]))
    masks = sam.decode(embedding, boxes_xyxy=boxes).logits.flatten(0, 1) > 0
    both, either = (mask & masks).flatten(1).sum(dim=1), (mask | masks).flatten(1).sum(dim=1)
    return masks[both >= SAME_THING * either]
