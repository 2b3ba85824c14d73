"""What the reference image says about likeness: how like itself the thing stays, how unlike is the ground."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, normalize

from backend.vision.candidate import HALF_COVERED, cell_coverage
from backend.vision.sam import ImageEmbedding
from backend.vision.semantics import CropEncoder, SemanticEncoder

LEAST_SPAN = 0.05  # cosines of ground and object that differ by less tell nothing
FEATURELESS = 0.6  # a thing that stays so like itself without any detail is only an outline to the encoder
OUTLINE = 28  # a crop made coarser by this keeps the outline and no detail
GROUNDS = 9  # places that count as ground: few, for the image may show more of the things, not annotated
CORNER = 0.6  # of a crop's side, for views of a corner
PLACES = 6  # along each axis


@dataclass(frozen=True, eq=False)
class SemanticReference:
    """One annotated object as the semantic encoder sees it.

    Attributes:
        vector: unit vector of the object, the mean of its turned and mirrored views, (D,) float.
        ground: cosine of what is surely not the object.
        itself: cosine of the object turned, coarser, or seen in part, whichever is least.
        weak: the encoder cannot tell the object from an outline or from its own background; the check steps
            back.
    """

    vector: Tensor
    ground: float
    itself: float
    weak: bool

    def relative(self, similarity: Tensor) -> Tensor:
        """Bring cosines to a scale of their own: 0 is as like as the ground, 1 as the object is to itself."""
        return (similarity - self.ground) / max(self.itself - self.ground, LEAST_SPAN)


def semantic_reference(
    encoder: SemanticEncoder,
    image: NDArray[np.uint8],
    logits: Tensor,
    embedding: ImageEmbedding,
    similarity: Tensor,
) -> SemanticReference:
    """Measure one annotated object against itself and against its background.

    Args:
        encoder: the semantic encoder.
        image: the reference image, RGB, (H, W, 3) uint8.
        logits: the reference mask over the padded square, above 0 where it is, (4h, 4w) float.
        embedding: the reference image's embedding, for its frame.
        similarity: the reference image's own similarity map, (h, w) float.
    """
    places = least_like(elsewhere(logits, embedding), similarity)
    if isinstance(encoder, CropEncoder):
        return by_views(encoder, image, logits, embedding, places)
    return by_regions(encoder, image, logits, embedding, places)


def by_views(
    encoder: CropEncoder,
    image: NDArray[np.uint8],
    logits: Tensor,
    embedding: ImageEmbedding,
    places: list[Tensor],
) -> SemanticReference:
    """Measure an object by crops of it and of its background, turned, coarser and in part.

    Args:
        encoder: looks at crops.
        image: the reference image, RGB, (H, W, 3) uint8.
        logits: the reference mask over the padded square, above 0 where it is, (4h, 4w) float.
        embedding: the reference image's embedding, for its frame.
        places: outlines on the ground, each (4h, 4w) float.
    """
    thing = encoder.crop(image, logits, embedding, masked=True)
    views = [
        turned(thing),
        [coarser(thing, factor) for factor in (2, 4)],
        corners(thing),
        [coarser(thing, OUTLINE)],
        [encoder.crop(image, place, embedding, masked=True) for place in places],
    ]
    vectors = encoder.crop_vectors(torch.stack([view for some in views for view in some]))
    turns, scales, parts, outline, ground = torch.split(vectors, [len(some) for some in views])
    likeness = [float((some @ turns[0]).mean()) for some in (turns[1:], parts)]
    itself = min(*likeness, float((scales @ turns[0]).min()))
    other = float((ground @ turns[0]).median()) if len(ground) else 0.0
    return SemanticReference(
        vector=normalize(turns.mean(dim=0), dim=0),
        ground=other,
        itself=itself,
        weak=itself <= other or float(outline @ turns[0]) > FEATURELESS,
    )


def by_regions(
    encoder: SemanticEncoder,
    image: NDArray[np.uint8],
    logits: Tensor,
    embedding: ImageEmbedding,
    places: list[Tensor],
) -> SemanticReference:
    """Measure an object by regions of its one image, for an encoder that cannot afford new views.

    Parts of the object stand for the object itself. Arguments as in ``by_views``.
    """
    quarters = quartered(logits)
    vectors = encoder.vectors(image, torch.stack([logits, *quarters, *places]), embedding, masked=True)
    likeness = vectors[1:] @ vectors[0]
    parts, ground = likeness[: len(quarters)], likeness[len(quarters) :]
    itself = float(parts.mean()) if len(parts) else 1.0
    other = float(ground.median()) if len(ground) else 0.0
    return SemanticReference(vectors[0], ground=other, itself=itself, weak=itself <= other)


def quartered(logits: Tensor) -> list[Tensor]:
    """Cut a mask into the quarters of its box, as logits; those that hold some of it, each (4h, 4w) float."""
    rows, columns = ((logits > 0).any(dim=dim).nonzero()[:, 0] for dim in (1, 0))
    if not len(rows):
        return []
    middle_row, middle_column = (int(line[0] + line[-1] + 1) // 2 for line in (rows, columns))
    halves = [(slice(None, middle), slice(middle, None)) for middle in (middle_row, middle_column)]
    quarters = []
    for row in halves[0]:
        for column in halves[1]:
            quarter = torch.full_like(logits, -1.0)
            quarter[row, column] = logits[row, column]
            quarters.append(quarter)
    return [quarter for quarter in quarters if (quarter > 0).any()]


def turned(pixels: Tensor) -> list[Tensor]:
    """Show a crop turned by quarters and mirrored: eight views, the first is the crop itself."""
    quarters = [torch.rot90(pixels, quarter, (1, 2)) for quarter in range(4)]
    return quarters + [view.flip(2) for view in quarters]


def coarser(pixels: Tensor, factor: int) -> Tensor:
    """Take the detail out of a crop, as if it had been photographed from farther away.

    Args:
        pixels: (3, size, size) uint8.
        factor: how many times fewer pixels each side keeps.
    """
    size = pixels.shape[-1]
    few = interpolate(pixels[None], (max(2, size // factor),) * 2, mode="bilinear", antialias=True)
    return interpolate(few, (size, size), mode="bilinear", antialias=True)[0]


def corners(pixels: Tensor) -> list[Tensor]:
    """Show the four corners of a crop at its size: as much as another thing of the kind may share with it."""
    size = pixels.shape[-1]
    side = round(size * CORNER)
    starts = (0, size - side)
    cuts = [pixels[:, top : top + side, left : left + side] for top in starts for left in starts]
    return list(interpolate(torch.stack(cuts), (size, size), mode="bilinear", antialias=True))


def least_like(places: list[Tensor], similarity: Tensor) -> list[Tensor]:
    """Keep the places that show least of the thing, so that what is kept is surely ground.

    Args:
        places: logits of moved outlines, each (4h, 4w) float.
        similarity: the reference image's own similarity map, (h, w) float.

    Returns:
        At most ``GROUNDS`` of the places, by the most similar cell that each covers.
    """
    if not places:
        return []
    coverage = cell_coverage(torch.stack(places) > 0, similarity.shape[0])
    most = similarity.where(coverage > 0, -torch.inf).amax(dim=(1, 2))
    return [places[i] for i in most.argsort()[:GROUNDS].tolist()]


def elsewhere(logits: Tensor, embedding: ImageEmbedding) -> list[Tensor]:
    """Move the outline of a mask, whole, halved and quartered, to places that the mask leaves free.

    Args:
        logits: low-resolution logits, (4h, 4w) float.
        embedding: the image they belong to.

    Returns:
        Logits of the moved outlines, each (4h, 4w) float; none on a full image.
    """
    mask = logits > 0
    shown_hw = embedding.shown_hw(mask.shape[0])
    outlines = [avg_pool2d(mask[None].float(), factor)[0] > HALF_COVERED for factor in (1, 2, 4)]
    return [
        place
        for outline in outlines
        if outline.any()
        for place in free_places(trimmed(outline), mask, shown_hw)
    ]


def free_places(outline: Tensor, taken: Tensor, shown_hw: tuple[int, int]) -> list[Tensor]:
    """Lay an outline on a lattice of places, as logits, where it touches nothing taken."""
    (height, width), (shown_height, shown_width) = outline.shape, shown_hw
    places = []
    for top in lattice(shown_height - height):
        for left in lattice(shown_width - width):
            moved = torch.zeros_like(taken)
            moved[top : top + height, left : left + width] = outline
            if not (moved & taken).any():
                places.append(moved.float() - 0.5)
    return places


def lattice(room: int) -> list[int]:
    """Evenly spread offsets from 0 to *room*, each once; none where there is no room."""
    return sorted({round(step * room / (PLACES - 1)) for step in range(PLACES)}) if room >= 0 else []


def trimmed(mask: Tensor) -> Tensor:
    """Cut a mask down to its box."""
    rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
