"""Candidates: masks before the semantic check, kept at the mask decoder's low resolution."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from backend.vision.refine import Mask
from backend.vision.sam import MaskLogits

HALF_COVERED = 0.5
SURE = 0.97  # predicted IoU, and stability, of an outline that needs no other
PART = 0.5  # a mask with more than this share of its pixels in a found instance is a part of it, or the same


@dataclass(frozen=True, eq=False)
class Candidate:
    """One mask that the search proposes.

    Attributes:
        logits: low-resolution logits over the padded square, (4h, 4w) float; above 0 is object.
        iou: the mask decoder's own estimate of the mask's IoU, in [0, 1].
        stability: IoU of the mask cut a little higher with the mask cut a little lower, in [0, 1].
        coverage: share of each cell of the embedding's grid that it covers, (h, w) float in [0, 1].
        finder: index of the reference it was found for.
    """

    logits: Tensor
    iou: float
    stability: float
    coverage: Tensor
    finder: int

    @property
    def mask(self) -> Tensor:
        """Low-resolution mask, (4h, 4w) bool."""
        return self.logits > 0

    @property
    def cells(self) -> Tensor:
        """Cells that it covers at least by half, (h, w) bool."""
        return self.coverage >= HALF_COVERED

    @property
    def sure(self) -> bool:
        """True if drawing its outline again would change next to nothing."""
        return min(self.iou, self.stability) >= SURE

    @property
    def area(self) -> float:
        """How much it covers, in cells."""
        return float(self.coverage.sum())

    def location(self, similarity: Tensor) -> float:
        """Mean of a similarity map (h, w) over what it covers; -1 for an empty mask."""
        return float((similarity * self.coverage).sum()) / self.area if self.area else -1.0


def candidate(mask: Mask, *, side: int, finder: int) -> Candidate:
    """Measure a decoded mask.

    Args:
        mask: from the mask decoder.
        side: cells along a side of the embedding's grid.
        finder: index of the reference it was found for.
    """
    return Candidate(
        logits=mask.logits,
        iou=min(max(mask.iou, 0.0), 1.0),
        stability=float(stability(mask.logits[None])),
        coverage=cell_coverage(mask.logits[None] > 0, side)[0],
        finder=finder,
    )


def candidates_of(answer: MaskLogits, *, side: int, finder: int) -> list[Candidate]:
    """Measure all masks that the decoder answers, but for the empty ones.

    Args:
        answer: to n prompts, m masks each.
        side: cells along a side of the embedding's grid.
        finder: index of the reference they were found for.
    """
    logits, iou = answer.logits.flatten(0, 1), answer.iou.flatten().clamp(0, 1)
    stable, coverage = stability(logits), cell_coverage(logits > 0, side)
    return [
        Candidate(logits[i], float(iou[i]), float(stable[i]), coverage[i], finder)
        for i in coverage.flatten(1).any(dim=1).nonzero()[:, 0].tolist()
    ]


def cell_coverage(masks: Tensor, side: int) -> Tensor:
    """Share of each cell that low-resolution masks cover.

    Args:
        masks: over the padded square, (n, 4h, 4w) bool.
        side: cells along a side of the padded square, h.

    Returns:
        Coverage, (n, h, w) float in [0, 1].
    """
    return avg_pool2d(masks.float(), masks.shape[-1] // side)


def stability(logits: Tensor, *, margin: float = 1.0) -> Tensor:
    """Say how little each mask depends on the level it is cut at.

    Args:
        logits: low-resolution logits, (n, 4h, 4w) float.
        margin: how far above and below zero the two cuts lie.

    Returns:
        Area of the upper cut over area of the lower one, (n,) float in [0, 1]; 0 for an empty mask.
    """
    upper, lower = ((logits > cut).sum(dim=(-2, -1)).float() for cut in (margin, -margin))
    return upper / lower.clamp_min(1)


def overlap(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over the smaller of each pair of masks.

    Args:
        masks: (n, h, w) bool.
        others: (m, h, w) bool.

    Returns:
        Share of the smaller mask that lies in the other, (n, m) float in [0, 1].
    """
    first, second = masks.flatten(1).float(), others.flatten(1).float()
    smaller = torch.minimum(first.sum(1)[:, None], second.sum(1)[None])
    return (first @ second.T) / smaller.clamp_min(1)


def distinct(masks: Tensor, scores: Sequence[float], *, part: float = PART) -> list[int]:
    """Drop duplicates of better masks, and parts of them.

    Args:
        masks: (n, h, w) bool.
        scores: n values; of two masks that share an object the one with the higher score stays.
        part: share of the smaller mask from which two masks show one object.

    Returns:
        Indices of the masks that stay, best first.
    """
    if not len(masks):
        return []
    shared = overlap(masks, masks)
    kept: list[int] = []
    for i in sorted(range(len(masks)), key=lambda i: -scores[i]):
        if all(float(shared[i, j]) <= part for j in kept):
            kept.append(i)
    return kept
