"""Evidence: how sure it is that a mask shows one whole thing like the reference, from a handful of cues.

A logistic model. Every cue is on a scale of the reference's own, so that one set of weights serves all kinds
of things; how they were fitted, and what they are worth on data they were not fitted to, stands in
``docs/evaluation.md``.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from backend.vision.candidate import Candidate
from backend.vision.parts import Part

ENOUGH = 0.35  # evidence that makes a candidate an instance
SURER = 1.5  # logit: how much surer instances are than weights say that were fitted half and half
SURE = 0.6  # evidence from which a candidate tells what the things of this image are like
SIZE_FREE = 0.35  # of a logarithm: a thing may be a fifth longer or shorter than the reference's
SIZE_LIMIT = 2.5  # of a logarithm: beyond, size says no more
MOST_LEAD = 0.1  # of kinship over the next label: beyond, there is no doubt
LEAST_AREA = 0.05  # cells
LEAST_SHARP, MOST_SHARP = -1.0, 0.25  # of a logarithm: beyond, it says no more
NEUTRAL: dict[Part, float] = {
    "size": 0.0,
    "likeness": 1.0,
    "colour": 1.0,
    "edge": 1.0,
    "lead": MOST_LEAD,
}


@dataclass(frozen=True, eq=False)
class Cues:
    """What speaks for n candidates, each seen as a thing of its label; (n,) float each.

    Attributes:
        location: mean of the location map under the mask, up to 1.5.
        size: difference to the usual size, 0 or less.
        iou: the mask decoder's own estimate of the mask's IoU.
        stability: how little the mask depends on the level it is cut at.
        likeness: semantic cosine, where 0 is the reference's ground and 1 the object itself.
        colour: likeness of the colours, in [0, 1].
        edge: likeness of the edge's profile, in [0, 1].
        sharpness: of its edge against the reference's, as a logarithm. Whether what is out of focus counts,
            one mask cannot say: it weighs nothing until reviews have taught that it does.
        lead: kinship over that with the next label, up to ``MOST_LEAD``.
        company: location less that of the image's surest instances of the label.
    """

    location: Tensor
    size: Tensor
    iou: Tensor
    stability: Tensor
    likeness: Tensor
    colour: Tensor
    edge: Tensor
    sharpness: Tensor
    lead: Tensor
    company: Tensor

    def __len__(self) -> int:
        return len(self.location)

    @property
    def table(self) -> Tensor:
        """One row per candidate, one column per cue in the order of the fields, (n, 10) float."""
        return torch.stack([getattr(self, field.name) for field in fields(self)], dim=1)


@dataclass(frozen=True, eq=False)
class Looks:
    """How like the reference n candidates look, cue by cue as in ``Cues``; (n,) float each."""

    likeness: Tensor
    colour: Tensor
    edge: Tensor
    sharpness: Tensor
    lead: Tensor


def just_like_it(count: int) -> Looks:
    """Looks of n candidates that are not compared with anything yet, should they look like the object."""
    known = torch.ones(count)
    return Looks(likeness=known, colour=known, edge=known, sharpness=known * 0, lead=known * MOST_LEAD)


@dataclass(frozen=True)
class Weights:
    """How much each cue counts, field by field as in ``Cues``; and what no cue at all amounts to."""

    location: float
    size: float
    iou: float
    stability: float
    likeness: float
    colour: float
    edge: float
    sharpness: float
    lead: float
    company: float
    bias: float

    def evidence(self, cues: Cues) -> Tensor:
        """Weigh the cues, (n,) float in [0, 1]."""
        return torch.sigmoid(self.logits(cues))

    def logits(self, cues: Cues) -> Tensor:
        """Weigh the cues, on the scale on which they add up, (n,) float."""
        weights = [getattr(self, field.name) for field in fields(cues)]
        return cues.table.float() @ cues.table.new_tensor(weights).float() + self.bias

    def neutral(self, without: Collection[Part]) -> "Weights":
        """Weigh every candidate as if these cues were as good as can be: they tell nothing any more."""
        off = {name: value for name, value in NEUTRAL.items() if name in without}
        sure = sum(getattr(self, name) * value for name, value in off.items())
        return replace(self, **dict.fromkeys(off, 0.0), bias=self.bias + sure)


@dataclass(frozen=True)
class EvidenceWeights:
    """Weights at first sight, and in the light of what is sure then."""

    first: Weights
    second: Weights

    def neutral(self, without: Collection[Part]) -> "EvidenceWeights":
        """Both without these cues."""
        return EvidenceWeights(self.first.neutral(without), self.second.neutral(without))


FITTED = EvidenceWeights(
    first=Weights(
        location=1.73,
        size=1.07,
        iou=8.15,
        stability=0.99,
        likeness=1.16,
        colour=0.4,
        edge=0.66,
        sharpness=0.0,
        lead=7.54,
        company=0.0,
        bias=-11.6,
    ),
    second=Weights(
        location=1.23,
        size=1.03,
        iou=8.1,
        stability=0.92,
        likeness=1.04,
        colour=0.23,
        edge=0.62,
        sharpness=0.0,
        lead=7.31,
        company=1.5,
        bias=-10.58,
    ),
)


def confidence(evidence: float) -> float:
    """Say how likely an instance with that evidence is right: by the instances of seven data sets it is."""
    bounded = min(max(evidence, 1e-6), 1 - 1e-6)
    return 1 / (1 + (1 - bounded) / bounded * math.exp(-SURER))


def cues_of(
    candidates: Sequence[Candidate],
    places: Tensor,
    sizes: Tensor,
    looks: "Looks",
) -> Cues:
    """Put together what is known of n candidates at first sight.

    Args:
        candidates: n of them.
        places: mean of the location map under each, (n,) float.
        sizes: logarithm of how many times larger than the reference each is, (n,) float.
        looks: how like the reference they look.
    """
    location = places.clamp(-1, 1.5)
    return Cues(
        location=location,
        size=freely(sizes),
        iou=torch.tensor([one.iou for one in candidates]),
        stability=torch.tensor([one.stability for one in candidates]),
        likeness=looks.likeness,
        colour=looks.colour,
        edge=looks.edge,
        sharpness=looks.sharpness,
        lead=looks.lead,
        company=(location - 1).clamp(-1, 0.5),
    )


def at_best(candidates: Sequence[Candidate], cells: float, location: Tensor, weights: Weights) -> Tensor:
    """Evidence for masks that are not compared with anything yet, should they look like the object.

    Args:
        candidates: n of them.
        cells: area of the reference's object.
        location: its location map, (h, w) float.
        weights: of the cues at first sight.

    Returns:
        What it would be then, (n,) float in [0, 1].
    """
    places, sizes = pooled(candidates, location[None])[:, 0], log_areas(candidates, cells)
    return weights.evidence(cues_of(candidates, places, sizes, just_like_it(len(candidates))))


def pooled(candidates: Sequence[Candidate], maps: Tensor) -> Tensor:
    """Mean of each map under each mask.

    Args:
        candidates: n of them.
        maps: (m, h, w) float.

    Returns:
        (n, m) float on the CPU.
    """
    coverage = torch.stack([one.coverage for one in candidates]).flatten(1)
    weights = coverage / coverage.sum(dim=1, keepdim=True).clamp_min(1e-6)
    return (weights @ maps.flatten(1).T.to(weights)).cpu()


def log_areas(candidates: Sequence[Candidate], cells: float) -> Tensor:
    """Logarithm of how many times larger than *cells* each candidate is, (n,) float."""
    typical = max(cells, LEAST_AREA)
    return torch.tensor([math.log(max(one.area, LEAST_AREA) / typical) for one in candidates])


def freely(log_area: Tensor) -> Tensor:
    """Size cue against the reference's size alone: things of a kind differ, and cameras come closer."""
    return -(log_area.abs() - SIZE_FREE).clamp(0, SIZE_LIMIT - SIZE_FREE)


def strictly(log_area: Tensor) -> Tensor:
    """Size cue against the size of other things in the same image."""
    return -log_area.abs().clamp_max(SIZE_LIMIT)
