"""One object cut out of its image: what a semantic encoder looks at."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from backend.vision.refine import box_xyxy
from backend.vision.sam import ImageEmbedding

Colour = tuple[int, int, int]
GREY = (127, 127, 127)  # EfficientNet-Lite's mean: becomes 0, which says nothing
MARGIN = 0.0  # of the longer side


def crop(
    image: NDArray[np.uint8],
    logits: Tensor,
    embedding: ImageEmbedding,
    *,
    size: int,
    masked: bool,
    fill: Colour = GREY,
) -> Tensor:
    """Cut one object out of its image, centred in a square.

    Args:
        image: RGB, (H, W, 3) uint8.
        logits: low-resolution logits of the object, (4h, 4w) float.
        embedding: the image's embedding, for its frame.
        size: side of the crop, in pixels.
        masked: everything but the object becomes *fill*; else what surrounds it stays.
        fill: the encoder's mean colour, RGB.

    Returns:
        The crop, *fill* beyond the image's edges; (3, size, size) uint8.
    """
    left, top, side = square_around(logits > 0, embedding)
    square = window(image, left, top, side, fill=fill)
    pixels = interpolate(square[None], (size, size), mode="bilinear", antialias=True)[0]
    if not masked:
        return pixels
    inside = sampled(logits, embedding, left, top, side, size).to(pixels.device) > 0
    return pixels.where(inside, torch.tensor(fill, dtype=torch.uint8)[:, None, None])


def square_around(mask: Tensor, embedding: ImageEmbedding) -> tuple[int, int, int]:
    """Square around a low-resolution mask with a margin: left, top, side in pixels of the original image."""
    box = box_xyxy(mask, embedding)
    left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if box is None else box.tolist()
    side = max(2, math.ceil(max(right - left, bottom - top) * (1 + 2 * MARGIN)))
    return round((left + right - side) / 2), round((top + bottom - side) / 2), side


def window(image: NDArray[np.uint8], left: int, top: int, side: int, *, fill: Colour = GREY) -> Tensor:
    """Square of an image, *fill* where it reaches beyond the edges, (3, side, side) uint8."""
    inside = image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    height, width = inside.shape[:2]
    if (height, width) == (side, side):
        pixels = inside.copy()
    else:
        pixels = np.empty((side, side, 3), dtype=np.uint8)
        pixels[:] = np.tile(
            np.array(fill, dtype=np.uint8), (side, 1)
        )  # row by row: much faster than by pixel
        pixels[max(-top, 0) :, max(-left, 0) :][:height, :width] = inside
    return torch.from_numpy(pixels).permute(2, 0, 1)


def sampled(logits: Tensor, embedding: ImageEmbedding, left: int, top: int, side: int, size: int) -> Tensor:
    """Low-resolution logits read on the pixels of a crop, (size, size) float."""
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    steps = (torch.arange(size, device=logits.device) + 0.5) * side / size
    x = (left + steps) * (resized_width / width) * 2 / embedding.input_size - 1
    y = (top + steps) * (resized_height / height) * 2 / embedding.input_size - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return grid_sample(logits[None, None], grid[None], padding_mode="border", align_corners=False)[0, 0]
