"""Cascaded post-refinement: a coarse mask becomes a fine one in two more decodes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from backend.vision.sketch import everything

SAME_OBJECT = 0.8  # IoU of two outlines of one object


@dataclass(frozen=True, eq=False)
class Mask:
    """One decoded mask.

    Attributes:
        logits: low-resolution logits over the padded square, (4h, 4w) float; above 0 is object.
        iou: the mask decoder's own estimate of its IoU.
    """

    logits: Tensor
    iou: float


def refine(
    sam: Sam,
    embedding: ImageEmbedding,
    first: Mask,
    *,
    points_xy: Tensor,
    labels: Tensor,
    first_box_xyxy: Tensor | None = None,
) -> Mask:
    """Refine the first prediction twice: by its own logits, then by its own logits and box.

    PerSAM, "Cascaded Post-refinement". Neither step is guided. Departs from the published code where that
    breaks: an empty mask has no box and is handed back as it is.

    Args:
        sam: the model.
        embedding: the test image.
        first: the first prediction.
        points_xy: location prior of the first prediction, in pixels of the original image, (p, 2).
        labels: 1 on the object, 0 beside it, (p,).
        first_box_xyxy: box for the first step too, as PerSAM-F has it, in pixels of the original image, (4,).

    Returns:
        The mask with the best predicted IoU of the last step.
    """
    coarse = _refined(sam, embedding, first, points_xy, labels, first_box_xyxy)
    box = box_xyxy(coarse.logits > 0, embedding)
    return coarse if box is None else _refined(sam, embedding, coarse, points_xy, labels, box)


def _refined(
    sam: Sam, embedding: ImageEmbedding, mask: Mask, points_xy: Tensor, labels: Tensor, box: Tensor | None
) -> Mask:
    answer = sam.decode(
        embedding,
        points_xy=points_xy[None],
        labels=labels[None],
        boxes_xyxy=None if box is None else box[None],
        mask_logits=mask.logits[None],
    )
    return best(answer)


def redrawn(sam: Sam, embedding: ImageEmbedding, logits: Tensor, *, shift: Tensor | None = None) -> Tensor:
    """Draw the outline of a found object once more, from its own box and logits.

    The last step of PerSAM's "Cascaded Post-refinement" alone, without its points and with SAM's single mask:
    measured as good as both steps, and needed only for what is an instance.

    Args:
        sam: the model.
        embedding: the image.
        logits: of the object, (4h, 4w) float.
        shift: a prompt that was tuned for this, (C,) float.

    Returns:
        Its logits again, (4h, 4w) float; the same as before if the decoder has taken it for another object.
    """
    mask = logits > 0
    box = box_xyxy(mask, embedding)
    if box is None:
        return logits
    answer = sam.decode(
        embedding,
        boxes_xyxy=box[None],
        mask_logits=logits[None],
        multimask=False,
        worth=everything,
        shift=shift,
    )
    again = answer.logits[0, 0]
    both, either = int((mask & (again > 0)).sum()), int((mask | (again > 0)).sum())
    return again if both >= SAME_OBJECT * either else logits


def best(answer: MaskLogits) -> Mask:
    """Take the mask of one prompt with the highest predicted IoU."""
    index = int(answer.iou[0].argmax())
    return Mask(answer.logits[0, index], float(answer.iou[0, index]))


def box_xyxy(mask: Tensor, embedding: ImageEmbedding) -> Tensor | None:
    """Box around a low-resolution mask.

    Args:
        mask: over the padded square, (4h, 4w) bool.
        embedding: the image it belongs to.

    Returns:
        Left, top, right, bottom in pixels of the original image, (4,) float; None for an empty mask.
    """
    if not mask.any():
        return None
    rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
    edges = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    square = torch.minimum(
        edges * (embedding.input_size / mask.shape[0]),
        torch.tensor([resized_width, resized_height] * 2, device=mask.device),
    )
    return square * torch.tensor([width / resized_width, height / resized_height] * 2, device=mask.device)
