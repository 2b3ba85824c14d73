"""The search for several instances: segment the most similar place, take it out of the map, look again."""

from torch import Tensor

from backend.vision.candidate import Candidate, candidate
from backend.vision.guidance import GuidanceMode, target_guidance
from backend.vision.location_prior import LocationPrior, location_prior
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.segment import segment_target, segment_weighted
from backend.vision.similarity import similarity_map


def search_instances(
    sam: Sam,
    embedding: ImageEmbedding,
    reference: Reference,
    *,
    finder: int,
    guidance: GuidanceMode,
    max_instances: int,
    mask_weights: Tensor | None,
) -> list[Candidate]:
    """Find every place that looks like the reference, one after the other, in one embedding.

    The report's loop: segment the best place, suppress its area in the similarity map, go on until nothing
    more is similar. No fixed count decides.

    Args:
        sam: the model.
        embedding: the test image.
        reference: what to look for; the loop ends when no place left is more similar than its
            ``location.least``.
        finder: index of the reference, for the candidates.
        guidance: how the target guides the first prediction.
        max_instances: bound on the rounds.
        mask_weights: predict as PerSAM-F does, with these weights, (3,) float; None: as PerSAM does.

    Returns:
        Candidates in the order they were found; they may overlap.
    """
    valid = embedding.valid
    similarity = left = similarity_map(embedding.features, reference.target, valid)
    least = max(reference.location.least, float(similarity.min()))  # what was found has the minimum
    found: list[Candidate] = []
    for _ in range(max_instances):
        prior = location_prior(left, valid)
        if prior.similarity <= least:
            break
        if mask_weights is not None:
            mask = segment_weighted(sam, embedding, prior, weights=mask_weights)
        else:
            guide = target_guidance(guidance, left, valid, reference.target)
            mask = segment_target(sam, embedding, prior, guidance=guide)
        found.append(candidate(mask, side=len(similarity), finder=finder))
        left = suppressed(left, found[-1].cells, prior)
    return found


def suppressed(similarity: Tensor, cells: Tensor, prior: LocationPrior) -> Tensor:
    """Take a found object out of a similarity map.

    Args:
        similarity: cosine of each cell with the target, (h, w) float.
        cells: cells of the found mask, (h, w) bool.
        prior: where it was found; that cell goes in any case, so that the search moves on.

    Returns:
        The map with the least similarity on those cells, (h, w) float.
    """
    taken = cells.clone()
    column, row = prior.positive_xy
    taken[row, column] = True
    return similarity.masked_fill(taken, float(similarity.min()))
