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


def unchecked(references: Sequence[Reference], candidates: Sequence[Candidate]) -> list[Claim]:
    """Give every candidate to the label it was found for."""
    return [
        Claim(references[candidate.finder].label, candidate, min(max(candidate.location, -1.0), 1.0))
        for candidate in candidates
    ]


def checked(
    encoder: SemanticEncoder,
    references: Sequence[Reference],
    candidates: Sequence[Candidate],
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    *,
    min_similarity: float | None,
) -> list[Claim]:
    """Give every candidate to the label it resembles most, if it resembles that enough.

    Args:
        encoder: the semantic encoder.
        references: one or more per label.
        candidates: of all labels.
        image: the test image, RGB, (H, W, 3) uint8.
        embedding: its embedding.
        min_similarity: least cosine for all labels; None takes each reference's own, and lets the check step
            back where a reference is weak.

    Returns:
        Claims in the order of the candidates; they may overlap.
    """
    if not candidates:
        return []
    size = encoder.input_size
    crops = [crop(image, candidate.logits, embedding, size=size, masked=True) for candidate in candidates]
    claims = [
        judge(candidate, vector, references, min_similarity=min_similarity)
        for candidate, vector in zip(candidates, encoder.vectors(torch.stack(crops)), strict=True)
    ]
    return [claim for claim in claims if claim is not None]


def judge(
    candidate: Candidate,
    vector: Tensor,
    references: Sequence[Reference],
    *,
    min_similarity: float | None,
) -> Claim | None:
    """Decide which label a candidate belongs to.

    Args:
        candidate: the mask; where the reference it was found for is weak, it stays with that unless another
            claims it.
        vector: its unit semantic vector, (D,) float.
        references: that compete for it.
        min_similarity: least cosine for all, or None.
    """
    objects = [(reference, one) for reference in references for one in reference.semantic]
    cosines = (torch.stack([one.vector for _, one in objects]) @ vector).clamp(-1, 1).tolist()
    similarity, best = max(zip(cosines, range(len(objects)), strict=True))
    reference, closest = objects[best]
    least = closest.least_similarity if min_similarity is None else min_similarity
    if similarity >= least:
        return Claim(reference.label, candidate, similarity)
    finder = references[candidate.finder]
    if min_similarity is None and finder.weak:
        own = max(c for c, (owner, _) in zip(cosines, objects, strict=True) if owner is finder)
        return Claim(finder.label, candidate, own)
    return None
