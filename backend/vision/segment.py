"""One object from one location prior: PerSAM's first prediction, or PerSAM-F's, then the refinement."""

import torch
from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.location_prior import NEGATIVE, POSITIVE, LocationPrior, cell_centres_xy
from backend.vision.refine import Mask, best, box_xyxy, refine
from backend.vision.sam import ImageEmbedding, Sam


def segment_target(
    sam: Sam, embedding: ImageEmbedding, prior: LocationPrior, *, guidance: Guidance | None
) -> Mask:
    """Segment the object at a location prior.

    PerSAM, "Target-guided Attention", "Target-semantic Prompting" and "Cascaded Post-refinement".

    Args:
        sam: the model.
        embedding: the test image.
        prior: the most and the least similar cell.
        guidance: the target for the first prediction; None leaves it unguided.

    Returns:
        The refined mask.
    """
    points_xy = cell_centres_xy(prior.cells_xy, embedding)
    labels = torch.tensor([POSITIVE, NEGATIVE])
    first = best(
        sam.decode(
            embedding, points_xy=points_xy[None], labels=labels[None], multimask=False, guidance=guidance
        )
    )
    return refine(sam, embedding, first, points_xy=points_xy, labels=labels)


def segment_weighted(sam: Sam, embedding: ImageEmbedding, prior: LocationPrior, *, weights: Tensor) -> Mask:
    """Segment the object at a location prior, the three masks of the first prediction mixed.

    PerSAM-F: only the positive point, no guidance; the mix of part, whole and more was fitted on the
    reference. The mixed mask's box joins the first step of the refinement already.

    Args:
        sam: the model.
        embedding: the test image.
        prior: the most similar cell is used.
        weights: share of each of the three masks, (3,) float.

    Returns:
        The refined mask.
    """
    points_xy = cell_centres_xy(prior.cells_xy[:1], embedding)
    labels = torch.tensor([POSITIVE])
    answer = sam.decode(embedding, points_xy=points_xy[None], labels=labels[None])
    mixed = Mask(torch.einsum("m,mhw->hw", weights, answer.logits[0]), float(answer.iou[0] @ weights))
    box = box_xyxy(mixed.logits > 0, embedding)
    return refine(sam, embedding, mixed, points_xy=points_xy, labels=labels, first_box_xyxy=box)
