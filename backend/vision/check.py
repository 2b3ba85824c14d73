"""The semantic-similarity check: candidates to those that are the same kind of thing. Labels compete."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import Candidate
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding
from backend.vision.semantics import SemanticEncoder

ENOUGH = 0.2  # evidence that makes a candidate an instance; 0 is the ground, 1 the thing itself
LOCATION_WEIGHT = 0.8  # SAM's own cosines support the semantic one
SIZE_WEIGHT = 0.1  # so does the size: what is e times as large as the others needs that much more
SIZE_LIMIT = math.log(4)  # beyond, size says no more
SURE = 0.6  # likeness from which a candidate shows how large the thing is in this image
TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Claim:
    """A label's claim to a candidate.

    Attributes:
        label: who claims it.
        candidate: the mask.
        similarity: cosine with the label's reference: semantic, or SAM's own where nothing was checked.
        evidence: how sure the label is, in [0, 1].
    """

    label: str
    candidate: Candidate
    similarity: float
    evidence: float

    @property
    def confidence(self) -> float:
        """Geometric mean of predicted IoU, stability and evidence, in [0, 1]."""
        return math.pow(self.candidate.iou * self.candidate.stability * self.evidence, 1 / 3)


def unchecked(
    references: Sequence[Reference], similarities: Tensor, candidates: Sequence[Candidate]
) -> list[Claim]:
    """Give every candidate to the label it was found for.

    Args:
        references: n of them.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
        candidates: of all labels.
    """
    return [by_location(candidate, references, similarities) for candidate in candidates]


def by_location(candidate: Candidate, references: Sequence[Reference], similarities: Tensor) -> Claim:
    """Claim a candidate for the label it was found for, on SAM's similarity alone."""
    location = candidate.location(similarities[candidate.finder])
    similarity = min(max(location, -1.0), 1.0)
    return Claim(references[candidate.finder].label, candidate, similarity, evidence=max(similarity, 0.0))


def checked(
    encoder: SemanticEncoder,
    references: Sequence[Reference],
    similarities: Tensor,
    candidates: Sequence[Candidate],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    *,
    min_similarity: float | None,
) -> list[Claim]:
    """Give every candidate to the label it resembles most, if there is evidence enough.

    Args:
        encoder: the semantic encoder.
        references: n of them, one or more per label.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
        candidates: of all labels.
        image: the test image, RGB, (H, W, 3) uint8.
        embedding: its embedding.
        min_similarity: least semantic cosine for all labels; None follows from each reference, and lets the
            check step back where a reference is weak.

    Returns:
        Claims in the order of the candidates; they may overlap.
    """
    if not candidates:
        return []
    logits = torch.stack([candidate.logits for candidate in candidates])
    vectors = encoder.vectors(image, logits, embedding, masked=True)
    matches = [
        match(candidate, vector, references, similarities)
        for candidate, vector in zip(candidates, vectors, strict=True)
    ]
    areas = typical_areas(matches, references)
    claims = [judge(one, areas, references, similarities, min_similarity=min_similarity) for one in matches]
    return [claim for claim in claims if claim is not None]


@dataclass(frozen=True, eq=False)
class Match:
    """A candidate with the reference that it resembles most.

    Attributes:
        candidate: the mask.
        index: of the reference.
        similarity: semantic cosine with the reference's most similar object.
        likeness: semantic likeness and SAM's, about 0 for the ground and about 1 for the thing itself.
    """

    candidate: Candidate
    index: int
    similarity: float
    likeness: float


def match(
    candidate: Candidate, vector: Tensor, references: Sequence[Reference], similarities: Tensor
) -> Match:
    """Let the references compete for a candidate.

    Args:
        candidate: the mask.
        vector: its unit semantic vector, (D,) float.
        references: n of them.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
    """
    objects = [(i, one) for i, reference in enumerate(references) for one in reference.semantic]
    cosines = (torch.stack([one.vector for _, one in objects]) @ vector).clamp(-1, 1).tolist()
    similarity, best = max(zip(cosines, range(len(objects)), strict=True))
    index, closest = objects[best]
    location = candidate.location(similarities[index]) - references[index].location.thing
    likeness = closest.relative(similarity) + LOCATION_WEIGHT * min(location, 0.0)
    return Match(candidate, index, similarity, likeness)


def typical_areas(matches: Sequence[Match], references: Sequence[Reference]) -> list[float]:
    """Say how large each reference's thing is in this image, which may show it from closer or farther.

    Args:
        matches: of all candidates.
        references: n of them.

    Returns:
        For each reference the median area of the candidates that surely show its thing; without any, the
        area of its own object; in cells.
    """
    areas = []
    for index, reference in enumerate(references):
        sure = [one for one in matches if one.index == index and one.likeness >= SURE]
        areas.append(median([one.candidate.area for one in sure] or [reference.cells]))
    return areas


def judge(
    one: Match,
    areas: Sequence[float],
    references: Sequence[Reference],
    similarities: Tensor,
    *,
    min_similarity: float | None,
) -> Claim | None:
    """Decide whether a candidate is an instance.

    Args:
        one: the candidate and the reference it resembles most; where the reference it was found for is
            weak, it stays with that unless another claims it.
        areas: of each reference's thing in this image, in cells.
        references: n of them.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
        min_similarity: least semantic cosine for all, or None.
    """
    evidence = one.likeness - SIZE_WEIGHT * size_difference(one.candidate.area, areas[one.index])
    if evidence >= ENOUGH if min_similarity is None else one.similarity >= min_similarity:
        label = references[one.index].label
        return Claim(label, one.candidate, one.similarity, min(max(evidence, 0.0), 1.0))
    if min_similarity is None and references[one.candidate.finder].weak:
        return by_location(one.candidate, references, similarities)
    return None


def size_difference(area: float, typical: float) -> float:
    """Factor between two areas, as a logarithm up to ``SIZE_LIMIT``."""
    return min(abs(math.log(max(area, TINY) / max(typical, TINY))), SIZE_LIMIT)
