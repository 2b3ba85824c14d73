"""One-shot data: the annotated image and masks of a label, turned into what the search and the check need."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.candidate import HALF_COVERED, cell_coverage
from backend.vision.errors import EmptyReferenceMaskError, MaskSizeError
from backend.vision.finetune import mask_weights
from backend.vision.location_prior import POSITIVE, cell_centres_xy, location_prior
from backend.vision.prototype import Prototype, build_prototype, reference_logits
from backend.vision.sam import ImageEmbedding, Sam, to_grid
from backend.vision.semantics import SemanticEncoder
from backend.vision.similarity import similarity_map
from backend.vision.target import cell_weights, target_embedding
from backend.vision.views import MAX_TILES, scale_for, view_around


@dataclass(frozen=True)
class LocationLevels:
    """How similar to the target the reference image's own cells are.

    Attributes:
        thing: mean cosine of the annotated object's cells.
        ground: lower quartile of all others, of which many may show more of the things, not annotated.
    """

    thing: float
    ground: float

    @property
    def least(self) -> float:
        """Halfway between the two: down to here a place is worth a look."""
        return (self.thing + self.ground) / 2


@dataclass(frozen=True, eq=False)
class Reference:
    """What one annotated image says about a label.

    Attributes:
        label: the annotator's name for the thing.
        target: target embedding, the mean over all annotated objects, (C,) float.
        location: cosines with *target*, on the object and beside it: when the loop ends.
        mask_weights: PerSAM-F's shares of part, whole and more, (3,) float; None where they were not fitted.
        whole: what the whole image says, for the check.
        tiles: what tiles around the objects say, where these are small; else none.
        wanted_scale: tiles along a side that would show the object well; more than there are where a bound
            keeps the tiles few.
    """

    label: str
    target: Tensor
    location: LocationLevels
    mask_weights: Tensor | None
    whole: Prototype
    tiles: tuple[Prototype, ...] = ()
    wanted_scale: int = 1

    @property
    def closest(self) -> tuple[Prototype, ...]:
        """The prototypes that show the object best."""
        return self.tiles or (self.whole,)

    @property
    def small(self) -> bool:
        """True where more tiles than the bound allows would show the object better."""
        return self.wanted_scale > self.closest[0].scale

    @property
    def weak(self) -> bool:
        """True where the semantic check cannot tell the thing from its background, and steps back."""
        return all(one.weak for one in self.closest)


def build_reference(
    sam: Sam,
    semantic_encoder: SemanticEncoder,
    image: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    *,
    label: str,
    embedding: ImageEmbedding | None = None,
    max_tiles: int = MAX_TILES,
    fine_tuned: bool = True,
) -> Reference:
    """Turn the annotated objects of one label in one image into a reference.

    Args:
        sam: the model.
        semantic_encoder: the encoder of the semantic check.
        image: the reference image, RGB, (H, W, 3) uint8.
        masks: one per annotated object, each (H, W); what is not zero is object, whether bool, 0/1 or 0/255.
        label: the annotator's name for the thing.
        embedding: of *image*, where the caller has it.
        max_tiles: bound on the tiles of an image with small objects.
        fine_tuned: fit PerSAM-F's weights, for searches that predict as it does.

    Raises:
        EmptyReferenceMaskError: no mask, or one with no object.
        MaskSizeError: a mask has another size than the image.
    """
    objects = [reference_mask(mask, image.shape[:2]) for mask in masks]
    if not objects:
        raise EmptyReferenceMaskError(
            f"label {label!r}: expected at least one reference mask, got none; paint the object"
        )
    embedding = embedding or sam.embed(image)
    together = to_grid(np.logical_or.reduce(objects), embedding)
    targets = [target_embedding(embedding.features, to_grid(mask, embedding)) for mask in objects]
    target = torch.stack(targets).mean(dim=0)
    similarity = similarity_map(embedding.features, target, embedding.valid)
    logits = [reference_logits(mask, embedding) for mask in objects] if fine_tuned else []
    wanted = scale_for(float(together.sum()) / len(objects))
    scale = min(wanted, math.isqrt(max_tiles))
    return Reference(
        label=label,
        target=target,
        location=location_levels(similarity, together, embedding.valid),
        mask_weights=fitted_weights(sam, embedding, similarity, logits) if fine_tuned else None,
        whole=build_prototype(semantic_encoder, image, objects, embedding, scale=1),
        tiles=tuple(tiled(sam, semantic_encoder, image, objects, scale)) if scale > 1 else (),
        wanted_scale=wanted,
    )


def tiled(
    sam: Sam,
    encoder: SemanticEncoder,
    image: NDArray[np.uint8],
    objects: Sequence[NDArray[np.bool_]],
    scale: int,
) -> Iterator[Prototype]:
    """Measure the annotated objects in tiles around them; objects that share a tile are measured together.

    Args:
        sam: the model.
        encoder: the semantic encoder.
        image: the reference image, RGB, (H, W, 3) uint8.
        objects: (H, W) bool each, none empty.
        scale: tiles along each side of the image.
    """
    left, annotated = list(objects), np.logical_or.reduce(list(objects))
    while left:
        view = view_around(left[0], scale)
        inside = [mask for mask in left if mask is left[0] or view.cut(mask).sum() == mask.sum()]
        left = [mask for mask in left if not any(mask is one for one in inside)]
        window = view.cut(image)
        masks = [view.cut(mask) for mask in inside]
        yield build_prototype(
            encoder, window, masks, sam.embed(window), scale=scale, annotated=view.cut(annotated)
        )


def reference_mask(mask: NDArray[np.generic], size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    """Check one annotated mask, and binarise it.

    Args:
        mask: (H, W); what is not zero is object.
        size_hw: size of its image.

    Raises:
        EmptyReferenceMaskError: nothing in it is object.
        MaskSizeError: it has another size than the image.
    """
    if mask.shape != tuple(size_hw):
        raise MaskSizeError(
            f"reference mask: expected (height, width) = {tuple(size_hw)} as its image, got {mask.shape}; "
            "export the mask at the size of the image"
        )
    binary = np.asarray(mask != 0)
    if not binary.any():
        raise EmptyReferenceMaskError(
            f"reference mask of {mask.shape}: expected at least one painted pixel, got none; paint the object"
        )
    return binary


def location_levels(similarity: Tensor, coverage: Tensor, valid: Tensor) -> LocationLevels:
    """Measure the reference image's own similarity map on the object and beside it.

    Args:
        similarity: cosine of each cell with the target, (h, w) float.
        coverage: share of each cell that annotated objects cover, (h, w) float.
        valid: cells that show some of the image, (h, w) bool.

    Returns:
        The two levels; where the object fills the image, its least similar cell stands for the ground.
    """
    weights = cell_weights(coverage)
    beside = similarity[valid & (coverage == 0)]
    ground = beside.quantile(0.25) if len(beside) else similarity[weights > 0].min()
    thing = float((similarity * weights).sum())
    return LocationLevels(thing=thing, ground=min(float(ground), thing))


def fitted_weights(
    sam: Sam, embedding: ImageEmbedding, similarity: Tensor, logits: Sequence[Tensor]
) -> Tensor:
    """Fit PerSAM-F's weights on the most similar place of the reference image.

    Args:
        sam: the model.
        embedding: the reference image.
        similarity: the reference image's own similarity map, (h, w) float.
        logits: annotated objects in the decoder's frame, each (4h, 4w) float.

    Returns:
        Shares of part, whole and more, (3,) float.
    """
    weights = []
    for one in logits:
        inside = cell_coverage(one[None] > 0, similarity.shape[0])[0]
        prior = location_prior(similarity, inside >= min(HALF_COVERED, float(inside.max())))
        points_xy = cell_centres_xy(prior.cells_xy[:1], embedding)
        answer = sam.decode(embedding, points_xy=points_xy[None], labels=torch.tensor([[POSITIVE]]))
        weights.append(mask_weights(answer.logits[0], (one > 0).float()))
    return torch.stack(weights).mean(dim=0)
