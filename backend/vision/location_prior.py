"""Positive-negative location prior: where the target most likely is, and where it is least likely."""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.vision.sam import ImageEmbedding

POSITIVE, NEGATIVE = 1, 0  # SAM's labels of points; -1 is not a point at all


@dataclass(frozen=True)
class LocationPrior:
    """One cell to segment from, and one to keep out.

    Args:
        positive_xy: cell of greatest similarity, (column, row).
        negative_xy: cell of least similarity, (column, row).
        similarity: cosine at the positive cell.
    """

    positive_xy: tuple[int, int]
    negative_xy: tuple[int, int]
    similarity: float

    @property
    def cells_xy(self) -> Tensor:
        """Both cells, the positive one first, (2, 2) int."""
        return torch.tensor([self.positive_xy, self.negative_xy])


def location_prior(similarity: Tensor, valid: Tensor) -> LocationPrior:
    """Take the most and the least similar cell of a similarity map.

    PerSAM, "Positive-negative Location Prior".

    Args:
        similarity: cosine of each cell with the target, (h, w) float.
        valid: cells that hold a part of the image, (h, w) bool.

    Returns:
        The two cells, and the similarity at the positive one.
    """
    _, w = similarity.shape
    highest = int(similarity.masked_fill(~valid, -torch.inf).argmax())
    lowest = int(similarity.masked_fill(~valid, torch.inf).argmin())
    return LocationPrior(
        positive_xy=(highest % w, highest // w),
        negative_xy=(lowest % w, lowest // w),
        similarity=float(similarity.flatten()[highest]),
    )


def cell_centres_xy(cells_xy: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Centres of cells, in pixels of the original image.

    Args:
        cells_xy: cells as (column, row), (..., 2).
        embedding: the image whose grid they lie on.

    Returns:
        Points inside the image, x before y, (..., 2) float.
    """
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    stride = embedding.input_size / embedding.grid_hw[0]
    inside = torch.tensor([resized_width, resized_height], device=cells_xy.device) - 0.5
    square = torch.minimum((cells_xy + 0.5) * stride, inside)
    return square * torch.tensor([width / resized_width, height / resized_height], device=cells_xy.device)
