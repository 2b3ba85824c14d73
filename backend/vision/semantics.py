"""The semantic encoder: what an object is, as a vector, from a crop of it.

MobileSAM's own features hardly tell classes apart; a small network trained to classify does.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, normalize, pad

from backend.vision.refine import box_xyxy
from backend.vision.sam import ImageEmbedding

GREY = 127  # EfficientNet-Lite's mean: becomes 0, which says nothing
SCALE = 128
CROPS_PER_PASS = 16
MARGIN = 0.0  # of the longer side


class SemanticEncoder:
    """Crops to unit vectors.

    Args:
        features: pixels (n, 3, input_size, input_size) float to feature maps (n, D, h, w).
        input_size: side of a crop, in pixels.
        device: where *features* computes.
    """

    def __init__(
        self, features: Callable[[Tensor], Tensor], *, input_size: int = 224, device: str = "cpu"
    ) -> None:
        self._features = features
        self._device = device
        self.input_size = input_size

    @torch.inference_mode()
    def vectors(self, crops: Tensor) -> Tensor:
        """Encode crops in batches.

        Args:
            crops: RGB, (n, 3, input_size, input_size) uint8.

        Returns:
            Unit vectors, (n, D) float; the cosine of two is their product.
        """
        batches = torch.split(crops, CROPS_PER_PASS)
        encoded = [self._features((batch.to(self._device).float() - GREY) / SCALE) for batch in batches]
        return normalize(torch.cat([maps.mean(dim=(2, 3)) for maps in encoded]), dim=1)


def crop(
    image: NDArray[np.uint8], logits: Tensor, embedding: ImageEmbedding, *, size: int, masked: bool
) -> Tensor:
    """Cut one object out of its image, centred in a square.

    Args:
        image: RGB, (H, W, 3) uint8.
        logits: low-resolution logits of the object, (4h, 4w) float.
        embedding: the image's embedding, for its frame.
        size: side of the crop, in pixels.
        masked: everything but the object becomes grey; else what surrounds it stays.

    Returns:
        The crop, grey beyond the image's edges; (3, size, size) uint8.
    """
    left, top, side = square_around(logits > 0, embedding)
    pixels = interpolate(window(image, left, top, side)[None], (size, size), mode="bilinear", antialias=True)[
        0
    ]
    if not masked:
        return pixels
    return pixels.where(sampled(logits, embedding, left, top, side, size).to(pixels.device) > 0, GREY)


def square_around(mask: Tensor, embedding: ImageEmbedding) -> tuple[int, int, int]:
    """Square around a low-resolution mask with a margin: left, top, side in pixels of the original image."""
    box = box_xyxy(mask, embedding)
    left, top, right, bottom = (0.0, 0.0, 1.0, 1.0) if box is None else box.tolist()
    side = max(2, math.ceil(max(right - left, bottom - top) * (1 + 2 * MARGIN)))
    return round((left + right - side) / 2), round((top + bottom - side) / 2), side


def window(image: NDArray[np.uint8], left: int, top: int, side: int) -> Tensor:
    """Square of an image, grey where it reaches beyond the edges, (3, side, side) uint8."""
    height, width = image.shape[:2]
    inside = image[max(top, 0) : top + side, max(left, 0) : left + side]
    pixels = torch.from_numpy(np.array(inside)).permute(2, 0, 1)
    beyond = (max(-left, 0), max(left + side - width, 0), max(-top, 0), max(top + side - height, 0))
    return pad(pixels, beyond, value=GREY)


def sampled(logits: Tensor, embedding: ImageEmbedding, left: int, top: int, side: int, size: int) -> Tensor:
    """Low-resolution logits read on the pixels of a crop, (size, size) float."""
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    steps = (torch.arange(size, device=logits.device) + 0.5) * side / size
    x = (left + steps) * (resized_width / width) * 2 / embedding.input_size - 1
    y = (top + steps) * (resized_height / height) * 2 / embedding.input_size - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    return grid_sample(logits[None, None], grid[None], padding_mode="border", align_corners=False)[0, 0]
