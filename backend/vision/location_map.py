"""Location map: where the thing may be, told from its background by SAM's features and by meaning.

Beyond PerSAM, whose similarity map compares cells with the thing alone: what the reference image shows around
the thing is not the thing, and comparing with both tells far more. Two encoders look at every cell; each
counts as much as the reference itself says that it can be trusted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from backend.vision.target import cell_weights

LEAST_SPAN = 1e-3  # cosines that differ by less are rounding
LEAST_DEVIATION = 0.02  # of the ground, on a scale from 0 to 1; smaller ones are chance
UNLIKE = 0.5  # share of the cells beside the thing that are surely ground: others may show more of the things


@dataclass(frozen=True, eq=False)
class Contrast:
    """How one encoder tells the thing from its background.

    Attributes:
        thing: unit vector of the annotated object, (C,) float.
        ground: unit vector of what lies around it and looks unlike it, (C,) float; zeros if nothing does.
        thing_level: mean difference of the two cosines on the object.
        ground_level: its median beside the object.
        deviation: of the cells beside the object, where the thing is 1 and the ground 0.
    """

    thing: Tensor
    ground: Tensor
    thing_level: float
    ground_level: float
    deviation: float

    def map(self, features: Tensor) -> Tensor:
        """Bring every cell to a scale of the reference's own.

        Args:
            features: of one image, (C, h, w) float.

        Returns:
            1 as much the thing as the annotated object, 0 as little as the median of its background, (h, w).
        """
        span = max(self.thing_level - self.ground_level, LEAST_SPAN)
        return (difference(features, self.thing, self.ground) - self.ground_level) / span


@dataclass(frozen=True, eq=False)
class Location:
    """Both encoders' contrasts for one reference."""

    sam: Contrast
    semantic: Contrast

    def map(self, sam_features: Tensor, semantic_features: Tensor, valid: Tensor) -> Tensor:
        """Mix what both encoders say; each counts by one over its variance on the reference's background.

        Args:
            sam_features: SAM embedding of an image, (C, h, w) float.
            semantic_features: the semantic encoder's dense map on the same grid, (D, h, w) float.
            valid: cells that show some of the image, (h, w) bool.

        Returns:
            Location map; padding has the least value of the image, (h, w) float.
        """
        weights = [self.sam.deviation**-2, self.semantic.deviation**-2]
        maps = [self.sam.map(sam_features), self.semantic.map(semantic_features)]
        mixed: Tensor = (weights[0] * maps[0] + weights[1] * maps[1]) / sum(weights)
        return mixed.masked_fill(~valid, float(mixed[valid].min()))


def contrast(features: Tensor, coverage: Tensor, valid: Tensor) -> Contrast:
    """Measure the thing against its background on the reference image.

    Args:
        features: of the reference image, (C, h, w) float.
        coverage: share of each cell that annotated objects cover, (h, w) float.
        valid: cells that show some of the image, (h, w) bool.
    """
    cells = normalize(features, dim=0)
    weights = cell_weights(coverage)
    thing = normalize(torch.einsum("chw,hw->c", cells, weights), dim=0)
    beside = valid & (coverage == 0)
    if not beside.any():
        level = float((difference(cells, thing, torch.zeros_like(thing)) * weights).sum())
        return Contrast(thing, torch.zeros_like(thing), level, 0.0, 1.0)
    likeness = torch.einsum("chw,c->hw", cells, thing)
    unlike = beside & (likeness <= likeness[beside].quantile(UNLIKE))
    ground = normalize(cells[:, unlike].mean(dim=1), dim=0)
    told = difference(cells, thing, ground)
    thing_level, ground_level = float((told * weights).sum()), float(told[beside].median())
    spread = float(told[beside].std(correction=0)) / max(thing_level - ground_level, LEAST_SPAN)
    return Contrast(thing, ground, thing_level, ground_level, max(spread, LEAST_DEVIATION))


def difference(features: Tensor, thing: Tensor, ground: Tensor) -> Tensor:
    """Cosine with the thing less cosine with the ground, (h, w) float."""
    return torch.einsum("chw,c->hw", normalize(features, dim=0), thing - ground)
