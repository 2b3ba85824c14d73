"""A mask at the size of the image, drawn only where the object may be: most of a large image is none."""

import numpy as np
import torch
from torch import Tensor

from backend.vision.instance import MaskWindow, mask_window
from backend.vision.sam import ImageEmbedding, Sam

MARGIN = 2  # low-resolution pixels around a mask: what lies between two of them takes from both


@torch.no_grad()
def object_window(sam: Sam, logits: Tensor, embedding: ImageEmbedding, *, times: int = 1) -> MaskWindow:
    """Draw the object of low-resolution logits: where ``Sam.upscale`` is above 0.

    Args:
        sam: the model.
        logits: low-resolution logits, (4h, 4w) float.
        embedding: the image they belong to.
        times: how much larger along each side it is drawn than the embedding's image.

    Returns:
        The mask in the image; empty where nothing is above 0.
    """
    mask = logits > 0
    above, beside = near(mask, dim=1), near(mask, dim=0)
    frame = sam.framed(logits[above, beside], embedding, top=above.start, left=beside.start)
    inside = frame.pixels > 0
    height, width = size_hw = embedding.size_hw[0] * times, embedding.size_hw[1] * times
    rows = _reached(inside.any(dim=1), frame.top, frame.size_hw[0], height)
    columns = _reached(inside.any(dim=0), frame.left, frame.size_hw[1], width)
    if not len(rows) or not len(columns):
        return mask_window(np.zeros((0, 0), dtype=np.bool_)).placed(0, 0, size_hw)
    across = _resized(frame.pixels.T, frame.left, frame.size_hw[1], columns, width)
    drawn = _resized(across.T, frame.top, frame.size_hw[0], rows, height) > 0
    window = mask_window(drawn.cpu().numpy())
    return window.placed(int(rows[0]), int(columns[0]), size_hw)


def near(mask: Tensor, *, dim: int, margin: int = MARGIN) -> slice:
    """Rows (or columns) that a low-resolution mask reaches, and *margin* around; one of an empty mask.

    Args:
        mask: (n, m) bool.
        dim: 1 for rows, 0 for columns.
        margin: in low-resolution pixels.
    """
    there = mask.any(dim=dim).nonzero()[:, 0]
    if not len(there):
        return slice(0, 1)
    return slice(max(int(there[0]) - margin, 0), int(there[-1]) + 1 + margin)


def _reached(inside: Tensor, start: int, frame_size: int, size: int) -> Tensor:
    """Pixels along one side of the image that the object may reach.

    Args:
        inside: whether it is in a row (or column) of a part of the frame, (n,) bool.
        start: of the part.
        frame_size: rows of the whole frame.
        size: of the image along that side.

    Returns:
        Numbers of neighbouring pixels, (m,) int; none if it is nowhere.
    """
    there = inside.nonzero()[:, 0]
    if not len(there):
        return there
    scale = size / frame_size
    first, last = (start + int(there[end]) for end in (0, -1))
    # a pixel takes from the two rows around its centre, so the object reaches up to a row further
    begin, end = int((first - 0.5) * scale) - 1, int((last + 1.5) * scale) + 2
    return torch.arange(max(begin, 0), min(end, size), device=inside.device)


def _resized(part: Tensor, start: int, frame_size: int, pixels: Tensor, size: int) -> Tensor:
    """Some rows of the frame stretched to *size* rows, linearly, as torch does without aligned corners.

    Args:
        part: rows of the frame, (n, k) float.
        start: number of the first of them.
        frame_size: rows of the whole frame.
        pixels: which rows of the result, (m,) int; none far from the part.
        size: of the whole result.

    Returns:
        (m, k) float.
    """
    scale = torch.tensor(frame_size, dtype=torch.float32) / size
    at = (scale.to(pixels.device) * (pixels + 0.5) - 0.5).clamp(min=0)
    above = at.long().clamp(max=frame_size - 1)
    below = (above + 1).clamp(max=frame_size - 1)
    share = (at - above)[:, None]
    upper, lower = (part[(row - start).clamp(0, len(part) - 1)] for row in (above, below))
    return upper * (1 - share) + lower * share
