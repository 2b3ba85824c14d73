"""Inset: an outline moved inwards or outwards, for people draw the edge of a thing where they see it.

SAM draws things a little too large or too small, and what belongs to a blurred edge is a convention. A
morphological erosion (outwards a dilation) of the logits by a disc moves the outline by parts of a pixel.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.vision.drawing import near
from backend.vision.sam import ImageEmbedding, without_padding

INSETS = (0.0, 0.5, -0.5)
"""By how many low-resolution pixels outlines may be moved inwards; outwards below 0."""
DIRECTIONS = 16  # points of the disc's rim


@torch.no_grad()
def inset(logits: Tensor, by: float, embedding: ImageEmbedding) -> Tensor:
    """Move an outline inwards; it stays where the image ends.

    Args:
        logits: low-resolution logits over the padded square, (4h, 4w) float.
        by: how far, in low-resolution pixels; outwards below 0.
        embedding: the image they belong to.

    Returns:
        Logits with the outline moved, (4h, 4w) float; as before where nothing would be left.
    """
    if by == 0 or not (logits > 0).any():
        return logits
    shown = without_padding(logits, embedding)
    rows, columns = (near(shown > 0, dim=dim, margin=math.ceil(abs(by)) + 1) for dim in (1, 0))
    moved = _moved(shown[rows, columns], by)
    if not (moved > 0).any():
        return logits
    result = logits.clone()
    without_padding(result, embedding)[rows, columns] = moved
    return result


def _moved(part: Tensor, by: float) -> Tensor:
    """The least of the logits (n, m) under a disc of that radius around each pixel; the greatest below 0."""
    height, width = part.shape
    y, x = ((2 * torch.arange(size, device=part.device) + 1) / size - 1 for size in (height, width))
    found = part
    for number in range(DIRECTIONS):
        angle = 2 * math.pi * number / DIRECTIONS
        down, across = y + 2 * by * math.sin(angle) / height, x + 2 * by * math.cos(angle) / width
        grid = torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], dim=-1)[None]
        beside = F.grid_sample(part[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
        found = torch.minimum(found, beside) if by > 0 else torch.maximum(found, beside)
    return found
