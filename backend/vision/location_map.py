"""Location map: where the thing may be, told from its background by SAM's features and by meaning.

Beyond PerSAM, whose similarity map compares cells with the thing alone: what the reference image shows around
the thing is not the thing, and comparing with both tells far more. Two encoders look at every cell; each
counts as much as the reference itself says that it can be trusted.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, normalize

from backend.vision.parts import Part
from backend.vision.similarity import lengths, unit_cells
from backend.vision.target import cell_weights

LEAST_SPAN = 1e-3  # cosines that differ by less are rounding
LEAST_SHARPNESS = 0.05
SHARPNESS = 4  # power of the sharpness by which an encoder counts
LEAST_DEVIATION = 0.02  # of the ground, on a scale from 0 to 1; smaller ones are chance
NO_SAY = 1e3  # deviation of an encoder that cannot tell the thing from its ground
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
        sharpness: how far the map has fallen, from 1 on the object, just around it; in (0, 1].
        alone: the same for the thing alone, compared with no ground; None: it is that itself.
    """

    thing: Tensor
    ground: Tensor
    thing_level: float
    ground_level: float
    deviation: float
    sharpness: float
    alone: "Contrast | None" = None

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
class LocationMaps:
    """Where the thing may be in one image: 1 is like the annotated object, 0 like its background.

    Attributes:
        likely: each encoder counts by one over its variance on the reference's background; says how likely a
            mask shows the thing; (h, w) float.
        sharp: each encoder counts by how sharply it draws the edge of the reference; has a peak on each of
            several things that touch; (h, w) float.
    """

    likely: Tensor
    sharp: Tensor


@dataclass(frozen=True, eq=False)
class Location:
    """Both encoders' contrasts for one reference."""

    sam: Contrast
    semantic: Contrast

    def maps(
        self,
        sam_features: Tensor,
        semantic_features: Tensor,
        valid: Tensor,
        *,
        without: Collection[Part] = (),
    ) -> LocationMaps:
        """Mix what both encoders say.

        Args:
            sam_features: SAM embedding of an image, (C, h, w) float.
            semantic_features: the semantic encoder's dense map on the same grid, (D, h, w) float.
            valid: cells that show some of the image, (h, w) bool.
            without: ``background``, ``meaning`` and ``sharp`` concern the maps.
        """
        read = [(self.sam, sam_features), (self.semantic, semantic_features)]
        if "meaning" in without:
            read = read[:1]
        if "background" in without:
            read = [(one.alone or one, features) for one, features in read]
        told = torch.stack([one.map(features) for one, features in read])
        likely = mixed(told, [one.deviation**-2 for one, _ in read], valid)
        if "sharp" in without:
            return LocationMaps(likely, likely)
        return LocationMaps(likely, mixed(told, [one.sharpness**SHARPNESS for one, _ in read], valid))


def mean_maps(maps: Sequence[LocationMaps]) -> LocationMaps:
    """Let several references of a label speak with one voice."""
    likely, sharp = (
        torch.stack([getattr(one, name) for one in maps]).mean(dim=0) for name in ("likely", "sharp")
    )
    return LocationMaps(likely, sharp)


def mixed(maps: Tensor, weights: Sequence[float], valid: Tensor) -> Tensor:
    """Weighted mean of maps; padding has the least value of the image.

    Args:
        maps: (n, h, w) float.
        weights: one per map.
        valid: cells that show some of the image, (h, w) bool.
    """
    shares = maps.new_tensor(weights) / sum(weights)
    mean = torch.einsum("n,nhw->hw", shares, maps)
    return mean.masked_fill(~valid, float(mean[valid].min()))


def contrast(features: Tensor, coverage: Tensor, valid: Tensor) -> Contrast:
    """Measure the thing against its background on the reference image.

    Args:
        features: of the reference image, (C, h, w) float.
        coverage: share of each cell that annotated objects cover, (h, w) float.
        valid: cells that show some of the image, (h, w) bool.
    """
    cells = unit_cells(features)
    weights = cell_weights(coverage)
    thing = normalize(torch.einsum("chw,hw->c", cells, weights), dim=0)
    beside = valid & (coverage == 0)
    if not beside.any():
        level = float((difference(cells, thing, torch.zeros_like(thing)) * weights).sum())
        return Contrast(thing, torch.zeros_like(thing), level, 0.0, deviation=1.0, sharpness=1.0)
    likeness = torch.einsum("chw,c->hw", cells, thing)
    unlike = beside & (likeness <= likeness[beside].quantile(UNLIKE))
    ground = normalize(cells[:, unlike].mean(dim=1), dim=0)
    alone = measured(cells, coverage, beside, thing, torch.zeros_like(thing))
    return replace(measured(cells, coverage, beside, thing, ground), alone=alone)


def measured(cells: Tensor, coverage: Tensor, beside: Tensor, thing: Tensor, ground: Tensor) -> Contrast:
    """Measure on the reference image what comparing with two vectors tells.

    Args:
        cells: unit features of the reference image, (C, h, w) float.
        coverage: share of each cell that annotated objects cover, (h, w) float.
        beside: cells that show the image and no object, (h, w) bool, not none.
        thing: unit vector of the object, (C,) float.
        ground: unit vector of its background, (C,) float; zeros: compare with the thing alone.
    """
    told = difference(cells, thing, ground)
    thing_level = float((told * cell_weights(coverage)).sum())
    ground_level = float(told[beside].median())
    levels = thing, ground, thing_level, ground_level
    if thing_level - ground_level < LEAST_SPAN:
        return Contrast(*levels, deviation=NO_SAY, sharpness=LEAST_SHARPNESS)
    relative = (told - ground_level) / (thing_level - ground_level)
    return Contrast(
        *levels,
        deviation=max(float(relative[beside].std(correction=0)), LEAST_DEVIATION),
        sharpness=sharpness(relative, coverage, beside),
    )


def sharpness(relative: Tensor, coverage: Tensor, beside: Tensor) -> float:
    """Say how far a map has fallen just around the object.

    Args:
        relative: 1 on the object and 0 beside it, (h, w) float.
        coverage: share of each cell that annotated objects cover, (h, w) float.
        beside: cells that show the image and no object, (h, w) bool.

    Returns:
        1 where the lower quarter of the cells around the object are like the ground or less; in (0, 1].
    """
    covered = (coverage > 0).float()
    reach = max(1, round(math.sqrt(float(coverage.sum()) / math.pi)))
    around = beside & (widened(covered, reach + 1) > 0) & (widened(covered, 1) == 0)
    if not around.any():
        return 1.0
    return max(LEAST_SHARPNESS, 1 - max(0.0, float(relative[around].quantile(0.25))))


def widened(cells: Tensor, by: int) -> Tensor:
    """Greatest value within *by* cells, (h, w) float."""
    return max_pool2d(cells[None], 2 * by + 1, stride=1, padding=by)[0]


def difference(features: Tensor, thing: Tensor, ground: Tensor) -> Tensor:
    """Cosine with the thing less cosine with the ground, (h, w) float."""
    cosines: Tensor = torch.einsum("chw,c->hw", features, thing - ground) / lengths(features)
    return cosines
