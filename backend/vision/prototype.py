"""Prototypes: what one view of a reference image says about a label."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.calibration import SemanticReference, semantic_reference
from backend.vision.candidate import HALF_COVERED
from backend.vision.colour import colour_histograms
from backend.vision.edges import Edges, edges_of
from backend.vision.layout import layouts_of
from backend.vision.location_map import Location, contrast
from backend.vision.sam import ImageEmbedding, to_grid
from backend.vision.semantics import SemanticEncoder


@dataclass(frozen=True, eq=False)
class Look:
    """How one annotated object looks.

    Attributes:
        semantic: to the semantic encoder.
        colours: square roots of its colour histogram, (bins,) float.
        edge: how the image changes across its outline.
        layout: which colours lie where on it, (3, h, w) float.
    """

    semantic: SemanticReference
    colours: Tensor
    edge: Edges
    layout: Tensor


@dataclass(frozen=True, eq=False)
class Prototype:
    """What one view of the reference image says.

    Attributes:
        scale: windows along each side of an image; 1 is the image as a whole. It holds for test images, too.
        cells: area of the object, in cells of the view's grid; the mean over all annotated objects.
        location: where things like it may be.
        looks: one per annotated object.
    """

    scale: int
    cells: float
    location: Location
    looks: tuple[Look, ...]

    @property
    def weak(self) -> bool:
        """True where the semantic check cannot tell the thing from its background, and steps back."""
        return all(look.semantic.weak for look in self.looks)


def build_prototype(
    encoder: SemanticEncoder,
    image: NDArray[np.uint8],
    masks: Sequence[NDArray[np.bool_]],
    embedding: ImageEmbedding,
    *,
    scale: int,
    annotated: NDArray[np.bool_] | None = None,
) -> Prototype:
    """Measure the annotated objects in one view of the reference image.

    Args:
        encoder: the semantic encoder.
        image: the view, RGB, (H, W, 3) uint8.
        masks: one per annotated object, (H, W) bool, none empty.
        embedding: of the view.
        scale: views along each side of the reference image.
        annotated: all objects of the label in the view, also those measured elsewhere or cut by its border:
            they are no background, (H, W) bool; *masks* unless told.
    """
    coverage = to_grid(np.logical_or.reduce(list(masks)), embedding)
    known = coverage if annotated is None else to_grid(annotated, embedding)
    valid = embedding.valid & ((coverage > 0) | (known == 0))
    location = Location(
        sam=contrast(embedding.features, coverage, valid),
        semantic=contrast(encoder.dense(image, embedding), coverage, valid),
    )
    logits = torch.stack([reference_logits(mask, embedding) for mask in masks])
    likeness = location.sam.map(embedding.features).where(embedding.valid, -torch.inf)
    colours = colour_histograms(image, logits > 0, embedding)
    layouts = layouts_of(image, logits > 0, embedding)
    return Prototype(
        scale=scale,
        cells=sum(float(to_grid(mask, embedding).sum()) for mask in masks) / len(masks),
        location=location,
        looks=tuple(
            Look(
                semantic_reference(encoder, image, one, embedding, likeness),
                colour,
                edges_of(image, one[None], embedding),
                layout,
            )
            for one, colour, layout in zip(logits, colours, layouts, strict=True)
        ),
    )


def reference_logits(mask: NDArray[np.bool_], embedding: ImageEmbedding) -> Tensor:
    """Bring a reference mask into the frame of the mask decoder's answers.

    Args:
        mask: (H, W) bool.
        embedding: the reference image.

    Returns:
        Above 0 where the mask covers at least half of a low-resolution pixel, or most of what it covers at
        all, (4h, 4w) float.
    """
    coverage = to_grid(mask, embedding, side=4 * embedding.grid_hw[0])
    return coverage - min(HALF_COVERED, float(coverage.max()) / 2)
