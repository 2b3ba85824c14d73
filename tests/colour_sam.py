"""Networks that see nothing but colour, so that a reader can tell what they must answer.

Their masks lie on drawn objects to the pixel: an image of 40 x 64 has 10 x 16 cells of 4 pixels, and masks of
one low-resolution pixel per pixel.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import label
from torch import Tensor
from torch.nn.functional import avg_pool2d

from backend.vision.pipeline import Models
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from backend.vision.semantics import CropEncoder
from tests.tiny_sam import INPUT_SIZE, tiny_sam_model

SIZE_HW = (40, 64)
CELL = 4
GROUND, LEAF, RED, BLUE = (10, 120, 10), (10, 250, 10), (220, 40, 40), (40, 40, 220)
ONE_COLOUR = 2.0  # of a normalised channel: pixels on an edge are half of it
PART_IOU, WHOLE_IOU, MORE_IOU = 0.7, 0.97, 0.5


class ColourSam(Sam):
    """Embeds an image as its colours; at a point it segments what is connected and of one colour.

    Attributes:
        places_xy: what was asked, in pixels of the image.
        encoded: images that were embedded.
        passes: of the image encoder.
    """

    def __init__(self, images_per_pass: int = 1) -> None:
        super().__init__(tiny_sam_model(), _colours, input_size=INPUT_SIZE, images_per_pass=images_per_pass)
        self.places_xy: list[tuple[float, float]] = []
        self.encoded = self.passes = 0

    def embed_together(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """As SAM does, and count."""
        self.encoded += len(images)
        self.passes += 1
        return super().embed_together(images)

    def decode(self, embedding: ImageEmbedding, **prompts: Any) -> MaskLogits:
        """Segment at the first point, or a box's middle: a part (the upper half), the whole, and more."""
        if "points_xy" not in prompts and prompts.get("mask_logits") is not None:
            return MaskLogits(prompts["mask_logits"][:, None], torch.ones(1, 1))  # it is drawn well already
        if prompts.get("points_xy") is not None:
            x, y = (float(value) for value in prompts["points_xy"][0][0])
        else:
            left, top, right, bottom = (float(value) for value in prompts["boxes_xyxy"][0])
            x, y = (left + right) / 2, (top + bottom) / 2
        self.places_xy.append((x, y))
        whole = _connected(embedding, x, y)
        part, more = np.zeros_like(whole), np.zeros_like(whole)
        rows = np.flatnonzero(whole.any(axis=1))
        part[: rows[len(rows) // 2]] = whole[: rows[len(rows) // 2]]
        height, width = embedding.shown_hw(whole.shape[0])
        more[:height, :width] = True
        masks = [part, whole, more] if prompts.get("multimask", True) else [whole]
        logits = torch.from_numpy(np.stack(masks)).float()[None] * 20 - 10
        ious = [PART_IOU, WHOLE_IOU, MORE_IOU] if len(masks) > 1 else [WHOLE_IOU]
        return MaskLogits(logits, torch.tensor([ious]))


def colour_models(images_per_pass: int = 1) -> Models:
    """Both networks; to the semantic encoder, too, a thing is its colour."""
    semantic = CropEncoder(lambda pixels: avg_pool2d(pixels + 1, 32), input_size=32)
    return Models(ColourSam(images_per_pass), semantic)


def drawn(
    *boxes: tuple[int, int, int, int, tuple[int, int, int]], size_hw: tuple[int, int] = SIZE_HW
) -> NDArray[np.uint8]:
    """Draw boxes, each (top, left, height, width, colour), on plain ground; (H, W, 3) uint8."""
    image = np.full((*size_hw, 3), GROUND, dtype=np.uint8)
    for top, left, height, width, colour in boxes:
        image[top : top + height, left : left + width] = colour
    return image


def box_mask(
    top: int, left: int, height: int, width: int, *, size_hw: tuple[int, int] = SIZE_HW
) -> NDArray[np.bool_]:
    """The mask of such a box, (H, W) bool."""
    mask = np.zeros(size_hw, dtype=np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def _colours(pixels: Tensor) -> list[Tensor]:
    """Mean colour of each cell, and each pixel."""
    return [avg_pool2d(pixels, CELL), pixels]


def _connected(embedding: ImageEmbedding, x: float, y: float) -> NDArray[np.bool_]:
    """What is connected with a point and has its colour, (64, 64) bool; no padding."""
    (height, width), (shown_height, shown_width) = embedding.size_hw, embedding.resized_hw
    row, column = int(y * shown_height / height), int(x * shown_width / width)
    picture = embedding.fine[0]
    alike = ((picture - picture[:, row, column][:, None, None]).abs() < ONE_COLOUR).all(dim=0).numpy()
    alike[shown_height:] = alike[:, shown_width:] = False
    regions, _ = label(alike)
    connected: NDArray[np.bool_] = regions == regions[row, column]
    return connected
