"""References of an evaluation: what the pipeline makes of an annotated mask, and what PerSAM-F needs too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.datasets import LabelledImage
from backend.evaluation.episodes import Episode
from backend.vision.boxed import thing_inside
from backend.vision.instance import mask_window
from backend.vision.pipeline import Models
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding, to_grid

if TYPE_CHECKING:
    from torch import Tensor

HALF_COVERED = 0.5


@dataclass(frozen=True, eq=False)
class Exemplar:
    """One annotated mask.

    Attributes:
        reference: as the pipeline has it.
        peak: greatest value of each channel of the embedding on the object, (C,) float.
    """

    reference: Reference
    peak: Tensor


def exemplars(
    models: Models, episodes: Iterable[Episode], *, max_tiles: int, boxed: bool = False
) -> dict[tuple[str, str], tuple[Exemplar, ...]]:
    """The exemplars of each episode by (group, class); an image is encoded once for all labels.

    Args:
        models: the networks.
        episodes: any number, also several times.
        max_tiles: bound on the tiles of an image with small objects.
        boxed: only the box around each annotated object is shown.
    """
    wanted = {episode.key: episode for episode in episodes}
    masks = [(episode, one) for episode in wanted.values() for one in episode.references]
    found: dict[tuple[str, str], tuple[Exemplar, ...]] = {}
    last: tuple[LabelledImage, NDArray[np.uint8], ImageEmbedding] | None = None
    for episode, one in sorted(masks, key=lambda pair: pair[1].image.name):
        if last is None or last[0] is not one.image:
            pixels = one.image.pixels()
            last = one.image, pixels, models.sam.embed(pixels)
        mask = one.mask(episode.label)
        shown = thing_inside(models.sam, last[2], box_around(mask)) if boxed else mask
        new = exemplar(*(models, last[1], last[2], shown, episode.label), max_tiles=max_tiles)
        found[episode.key] = (*found.get(episode.key, ()), new)
    return found


def exemplar(
    models: Models,
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    mask: NDArray[np.bool_],
    label: str,
    *,
    max_tiles: int,
) -> Exemplar:
    """What one mask (H, W) bool of an image (H, W, 3) uint8 says."""
    coverage = to_grid(mask, embedding)
    inside = coverage >= min(HALF_COVERED, float(coverage.max()))
    return Exemplar(
        build_reference(
            *(models.sam, models.semantic, image, [mask]),
            label=label,
            embedding=embedding,
            max_tiles=max_tiles,
        ),
        embedding.features[:, inside].amax(dim=1),
    )


def box_around(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The bounding box of a mask that is not empty, as a mask of the same size (H, W)."""
    window = mask_window(mask)
    return replace(window, pixels=np.ones_like(window.pixels)).mask
