"""Masks first sketched at one pixel of each cell; only what is worth it is drawn, only where it may lie."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

EMPTY = -32.0  # logit of a mask that is not drawn
ROW, COLUMN = 1, 1  # of the pixel of a cell that is sketched; a cell has four by four
DOUBT = 4.0  # a cell with all around it so far below 0 holds no pixel of the mask: none of thousands seen did

Worth = Callable[[Tensor, Tensor], Tensor]
"""Says which masks are worth drawing, (n, m) bool, by sketches (n, m, h, w) and estimated IoU (n, m)."""


def everything(sketch: Tensor, iou: Tensor) -> Tensor:  # noqa: ARG001 - a ``Worth``
    """All masks are worth drawing."""
    return torch.ones_like(iou, dtype=torch.bool)


def without_unworthy(logits: Tensor, iou: Tensor, worth: Worth) -> Tensor:
    """Empty the masks (n, m, 4h, 4w) that are not worth drawing, where a decoder has drawn all of them."""
    worthy = worth(logits[..., ROW::4, COLUMN::4], iou)
    return logits.masked_fill(~worthy[..., None, None], EMPTY)


def doubtful(sketches: Tensor) -> Tensor:
    """Cells that may hold pixels of any of some masks.

    Args:
        sketches: of the masks, (m, h, w) float, m at least 1.

    Returns:
        (h, w) bool.
    """
    around = max_pool2d(sketches.amax(dim=0)[None], 3, stride=1, padding=1)[0]
    return around > -DOUBT
