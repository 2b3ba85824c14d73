"""The semantic-similarity check: candidates to those that are the same kind of thing. Labels compete."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import Candidate
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding
from backend.vision.semantics import SemanticEncoder, crop


@dataclass(frozen=True, eq=False)
class Claim:
    """A label's claim to a candidate.

    Attributes:
        label: who claims it.
        candidate: the mask.
        similarity: cosine with the label's reference: semantic, or SAM's own where nothing was checked.
    """

    label: str
    candidate: Candidate
    similarity: float

    @property
    def confidence(self) -> float:
        """Geometric mean of predicted IoU, stability and similarity, in [0, 1]."""
        likeness = min(max(self.similarity, 0.0), 1.0)
        product = self.candidate.iou * self.candidate.stability * likeness
        return math.pow(product, 1 / 3)


def unchecked(references: Sequence[Reference], found: Sequence[Sequence[Candidate]]) -> list[Claim]:
    """Give every candidate to the label whose search found it."""
    return [
        Claim(reference.label, candidate, min(max(candidate.location, -1.0), 1.0))
        for reference, candidates in zip(references, found, strict=True)
        for candidate in candidates
    ]


def checked(
    encoder: SemanticEncoder,
    references: Sequence[Reference],
    found: Sequence[Sequence[Candidate]],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    *,
    min_similarity: float | None,
) -> list[Claim]:
    """Give every candidate to the label it resembles most, if it resembles that enough.

    Args:
        encoder: the semantic encoder.
        references: one or more per label.
        found: candidates of each reference's search.
        image: the test image, RGB, (H, W, 3) uint8.
        embedding: its embedding.
        min_similarity: least cosine for all labels; None takes each reference's own, and lets the check
            step back where a reference is weak.

    Returns:
        Claims in the order of the candidates; they may overlap.
    """
    claims = unchecked(references, found)
    if not claims:
        return []
    crops = [
        crop(image, claim.candidate.logits, embedding, size=encoder.input_size, masked=True)
        for claim in claims
    ]
    vectors = encoder.vectors(torch.stack(crops))
    finders = [i for i, candidates in enumerate(found) for _ in candidates]
    judged = [
        judge(claim.candidate, vector, references, finder=finder, min_similarity=min_similarity)
        for claim, vector, finder in zip(claims, vectors, finders, strict=True)
    ]
    return [claim for claim in judged if claim is not None]


def judge(
    candidate: Candidate,
    vector: Tensor,
    references: Sequence[Reference],
    *,
    finder: int,
    min_similarity: float | None,
) -> Claim | None:
    """Decide which label a candidate belongs to.

    Args:
        candidate: the mask.
        vector: its unit semantic vector, (D,) float.
        references: that compete for it.
        finder: index of the reference whose search found it; keeps it where that reference is weak and no
            other claims it.
        min_similarity: least cosine for all, or None.
    """
    objects = [(reference, one) for reference in references for one in reference.semantic]
    cosines = (torch.stack([one.vector for _, one in objects]) @ vector).clamp(-1, 1).tolist()
    similarity, best = max(zip(cosines, range(len(objects)), strict=True))
    reference, closest = objects[best]
    least = closest.least_similarity if min_similarity is None else min_similarity
    if similarity >= least:
        return Claim(reference.label, candidate, similarity)
    if min_similarity is None and references[finder].weak:
        own = max(c for c, (owner, _) in zip(cosines, objects, strict=True) if owner is references[finder])
        return Claim(references[finder].label, candidate, own)
    return None
