"""A mask at the size of the image, drawn only where the object may be: most of a large image is none."""

import numpy as np
import torch
from torch import Tensor

from backend.vision.instance import MaskWindow, mask_window
from backend.vision.sam import ImageEmbedding, Sam


@torch.no_grad()
def object_window(sam: Sam, logits: Tensor, embedding: ImageEmbedding) -> MaskWindow:
    """Draw the object of low-resolution logits: where ``Sam.upscale`` is above 0.

    Args:
        sam: the model.
        logits: low-resolution logits, (4h, 4w) float.
        embedding: the image they belong to.

    Returns:
        The mask in the image; empty where nothing is above 0.
    """
    frame = sam.framed(logits, embedding)
    inside = frame > 0
    height, width = embedding.size_hw
    rows, columns = _reached(inside.any(dim=1), height), _reached(inside.any(dim=0), width)
    if not len(rows) or not len(columns):
        return mask_window(np.zeros((0, 0), dtype=np.bool_)).placed(0, 0, embedding.size_hw)
    drawn = _resized(_resized(frame.T, columns, width).T, rows, height) > 0
    window = mask_window(drawn.cpu().numpy())
    return window.placed(int(rows[0]), int(columns[0]), embedding.size_hw)


def _reached(inside: Tensor, size: int) -> Tensor:
    """Pixels along one side of the image that the object may reach.

    Args:
        inside: whether it is in a row (or column) of the frame, (n,) bool.
        size: of the image along that side.

    Returns:
        Numbers of neighbouring pixels, (m,) int; none if it is nowhere.
    """
    there = inside.nonzero()[:, 0]
    if not len(there):
        return there
    scale = size / len(inside)
    first, last = (int(there[end]) for end in (0, -1))
    # a pixel takes from the two rows around its centre, so the object reaches up to a row further
    start, end = int((first - 0.5) * scale) - 1, int((last + 1.5) * scale) + 2
    return torch.arange(max(start, 0), min(end, size), device=inside.device)


def _resized(frame: Tensor, pixels: Tensor, size: int) -> Tensor:
    """Some rows of *frame* stretched to *size* rows, linearly, as torch does without aligned corners.

    Args:
        frame: (n, k) float.
        pixels: which rows of the result, (m,) int.
        size: of the whole result.

    Returns:
        (m, k) float.
    """
    scale = torch.tensor(len(frame), dtype=torch.float32) / size
    at = (scale.to(pixels.device) * (pixels + 0.5) - 0.5).clamp(min=0)
    above = at.long().clamp(max=len(frame) - 1)
    below = (above + 1).clamp(max=len(frame) - 1)
    share = (at - above)[:, None]
    return frame[above] * (1 - share) + frame[below] * share
