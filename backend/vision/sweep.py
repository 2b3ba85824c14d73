"""The search for instances of several labels at once: one decode a place, the most promising place first."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from backend.vision.candidate import Candidate, candidate
from backend.vision.location_prior import location_prior
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.segment import segment_place

SAME = 0.9  # IoU of two masks of one object from two places
LARGER = 4  # times the area of the reference's object


def sweep_instances(
    sam: Sam,
    embedding: ImageEmbedding,
    references: Sequence[Reference],
    similarities: Tensor,
    *,
    max_instances: int,
) -> list[Candidate]:
    """Find every place that looks like one of the references, in one embedding.

    Like the report's loop, but for all references together, so that an object is decoded once and not once
    a label; without guidance and refinement, which measure no better than the decoder's own best mask; and
    a mask that on the whole does not look like the target (a plate around the food) takes only the place it
    was found at.

    Args:
        sam: the model.
        embedding: the test image.
        references: what to look for.
        similarities: cosine of each cell with each reference's target, (n, h, w) float.
        max_instances: bound on the rounds.

    Returns:
        Candidates in the order they were found; they may overlap, but no two are the same.
    """
    valid = embedding.valid
    left = relative(similarities, references)  # (n, h, w)
    lowest = float(left.min())
    found: list[Candidate] = []
    for _ in range(max_instances):
        likeness, finders = left.max(dim=0)
        prior = location_prior(likeness, valid)
        if prior.similarity <= max(0, lowest):
            break
        column, row = prior.positive_xy
        finder = int(finders[row, column])
        here = candidate(segment_place(sam, embedding, prior), side=len(likeness), finder=finder)
        if not any(same(here.mask, one.mask) for one in found):
            found.append(here)
        gone = torch.stack([taken(here, one.cells, prior.positive_xy) for one in references])
        left = left.masked_fill(gone, lowest)
    return found


def relative(similarities: Tensor, references: Sequence[Reference]) -> Tensor:
    """Bring the similarity maps of several references to one scale.

    Args:
        similarities: cosine of each cell with each target, (n, h, w) float.
        references: n of them.

    Returns:
        1 as similar as the reference's own cells, 0 halfway down to its ground; (n, h, w) float.
    """
    levels = [(one.location.least, one.location.thing - one.location.least) for one in references]
    least, span = torch.tensor(levels, device=similarities.device).T[..., None, None]
    scaled: Tensor = (similarities - least) / span.clamp_min(1e-6)
    return scaled


def same(mask: Tensor, other: Tensor) -> bool:
    """True if two masks are one: a second place of a large object says nothing new.

    Args:
        mask: (4h, 4w) bool.
        other: (4h, 4w) bool.
    """
    return int((mask & other).sum()) > SAME * int((mask | other).sum())


def taken(found: Candidate, cells: float, place_xy: tuple[int, int]) -> Tensor:
    """Cells that need not be looked at again for a reference.

    Args:
        found: the mask at that place.
        cells: area of the reference's object, in cells.
        place_xy: where it was found, (column, row).

    Returns:
        All cells of a mask of about the reference's size, as far as a factor of ``LARGER``. Of a larger
        one, only what an object of half the reference's width would cover around the place; (h, w) bool.
    """
    column, row = place_xy
    place = torch.zeros(found.cells.shape, device=found.cells.device)
    place[row, column] = 1
    reach = max(1, round(math.sqrt(cells) / 4))
    around = max_pool2d(place[None], 2 * reach + 1, stride=1, padding=reach)[0] > 0
    if int(found.cells.sum()) > LARGER * max(cells, 1):
        return around
    return found.cells | (max_pool2d(place[None], 3, stride=1, padding=1)[0] > 0)
