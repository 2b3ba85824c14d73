"""Peers of the search: transformers' SAM, used as its own examples do, in the report's loop.

One prompt at a time, and each mask brought to the size of the image. With one decode an instance, or with the
three of PerSAM: guided by the target, then by its own logits, then by its own logits and box.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import SamModel

from backend.vision.candidate import HALF_COVERED, cell_coverage
from backend.vision.guidance import target_guidance
from backend.vision.location_prior import NEGATIVE, POSITIVE, cell_centres_xy, location_prior
from backend.vision.reference import Reference
from backend.vision.refine import box_xyxy
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.search import suppressed
from backend.vision.similarity import similarity_map


@dataclass(frozen=True, eq=False)
class Answer:
    """The best of a decode's masks: logits (4h, 4w) and its pixels in the image, (H, W) bool."""

    logits: Tensor
    mask: NDArray[np.bool_]


class TransformersSam:
    """transformers' ``SamModel`` on an image that is encoded already.

    Args:
        model: with the weights that the search has.
        sam: brings masks to the size of the image, as the model's processor does.
        embedding: of the image.
    """

    def __init__(self, model: SamModel, sam: Sam, embedding: ImageEmbedding) -> None:
        self._model, self._sam, self._embedding = model, sam, embedding

    @torch.no_grad()
    def answer(
        self,
        points_xy: Tensor,
        *,
        box: Tensor | None = None,
        logits: Tensor | None = None,
        multimask: bool,
        **guided: Tensor,
    ) -> Answer:
        """Decode one prompt: a positive and a negative point; box in pixels of the image, (4,)."""
        scale = self._embedding.resized_hw[1] / self._embedding.size_hw[1]
        features = self._embedding.features.float()[None]
        prompts: dict[str, Any] = {
            "input_points": (points_xy * scale)[None, None],
            "input_labels": torch.tensor([[[POSITIVE, NEGATIVE]]], device=features.device),
            "input_boxes": None if box is None else (box * scale)[None, None],
            "input_masks": None if logits is None else logits[None, None],
        }
        told = self._model(image_embeddings=features, **prompts, multimask_output=multimask, **guided)
        best = int(told.iou_scores[0, 0].argmax())
        chosen: Tensor = told.pred_masks[0, 0]
        masks = (self._sam.upscale(chosen, self._embedding) > 0).cpu().numpy()  # all, as the processor does
        return Answer(chosen[best], masks[best])


def looped(
    model: SamModel, sam: Sam, embedding: ImageEmbedding, reference: Reference, *, refined: bool, at_most: int
) -> list[NDArray[np.bool_]]:
    """Segment the most similar place, take it out of the map, look again, as long as something is similar.

    Args:
        model: transformers' own.
        sam: the same weights.
        embedding: of the image.
        reference: what to look for.
        refined: guided, and refined twice, as PerSAM does; else one decode an instance.
        at_most: bound on the rounds.
    """
    peer, valid = TransformersSam(model, sam, embedding), embedding.valid
    left = similarity_map(embedding.features, reference.target, valid)
    least, found = max(reference.location.least, float(left.min())), []
    for _ in range(at_most):
        prior = location_prior(left, valid)
        if prior.similarity <= least:
            break
        points_xy = cell_centres_xy(prior.cells_xy, embedding)
        if refined:
            answer = cascaded(peer, embedding, points_xy, left, reference.target)
        else:
            answer = peer.answer(points_xy, multimask=True)
        cells = cell_coverage(answer.logits[None] > 0, len(left))[0] >= HALF_COVERED
        left = suppressed(left, cells, prior)
        found.append(answer.mask)
    return found


def cascaded(
    peer: TransformersSam, embedding: ImageEmbedding, points_xy: Tensor, similarity: Tensor, target: Tensor
) -> Answer:
    """PerSAM's three decodes of one object."""
    guidance = target_guidance("hf", similarity, embedding.valid, target)
    guided: dict[str, Tensor] = {}
    if guidance is not None:
        guided = {
            "attention_similarity": guidance.attention_similarity.flatten()[None, None, None],
            "target_embedding": guidance.target_embedding[None, None],
        }
    first = peer.answer(points_xy, multimask=False, **guided)
    second = peer.answer(points_xy, logits=first.logits, multimask=True)
    box = box_xyxy(second.logits > 0, embedding)
    if box is None:
        return second
    return peer.answer(points_xy, logits=second.logits, box=box, multimask=True)
