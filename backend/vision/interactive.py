"""One thing that a person points at: from points, a box or a stroke to its mask and all that look like it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from backend.vision.candidate import PART
from backend.vision.drawing import object_window
from backend.vision.errors import PromptError
from backend.vision.instance import Instance, MaskWindow, mask_window
from backend.vision.location_prior import NEGATIVE, POSITIVE
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.prototype import reference_logits
from backend.vision.reduction import Reduction
from backend.vision.reference import build_reference
from backend.vision.refine import Mask, best
from backend.vision.sam import ImageEmbedding, Sam

STROKE_POINTS = 3  # far from each other on a stroke; measured with its mask as a prompt: as good as a box


@dataclass(frozen=True, eq=False)
class Prompt:
    """How a person shows one thing.

    Attributes:
        points_xy: in pixels of the image.
        positive: for each of them, whether it lies on the thing; else beside it.
        box_xyxy: around the thing, in pixels of the image.
        stroke: drawn on the thing, (H, W) bool.
    """

    points_xy: Sequence[tuple[float, float]] = ()
    positive: Sequence[bool] = ()
    box_xyxy: tuple[float, float, float, float] | None = None
    stroke: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if len(self.points_xy) != len(self.positive):
            raise PromptError(
                f"expected to know of each point whether it lies on the thing, got {len(self.points_xy)} "
                f"points and {len(self.positive)} answers"
            )
        painted = self.stroke is not None and self.stroke.any()
        if self.box_xyxy is None and not painted and not any(self.positive):
            raise PromptError("expected a point on the thing, a box or a stroke, got none of them")


@dataclass(frozen=True, eq=False)
class Shown:
    """The thing that was shown.

    Attributes:
        mask: (H, W) bool; may be empty.
        confidence: the mask decoder's own estimate of the mask's IoU, in [0, 1].
    """

    mask: NDArray[np.bool_]
    confidence: float


def segment_shown(
    sam: Sam, embedding: ImageEmbedding, prompt: Prompt, *, size_hw: tuple[int, int] | None = None
) -> Shown:
    """Segment the thing that a person shows.

    Args:
        sam: the model.
        embedding: the image.
        prompt: what the person drew.
        size_hw: of the image in its own pixels, those of *prompt* and of the mask, where it was decoded at
            reduced size; None: it was not.

    Raises:
        MaskSizeError: the stroke has another size than the image.
    """
    reduction = Reduction.of(embedding.size_hw, size_hw)
    mask = _decoded(sam, embedding, reduced(prompt, reduction))
    window = reduction.window(object_window(sam, mask.logits, embedding, times=reduction.times), 0, 0)
    return Shown(window.mask, min(max(mask.iou, 0.0), 1.0))


def reduced(prompt: Prompt, reduction: Reduction) -> Prompt:
    """What a person drew, in the pixels that were decoded."""
    if reduction.times == 1:
        return prompt
    return replace(
        prompt,
        points_xy=[reduction.point_xy(point) for point in prompt.points_xy],
        box_xyxy=None if prompt.box_xyxy is None else reduction.box_xyxy(prompt.box_xyxy),
        stroke=None if prompt.stroke is None else reduction.mask(prompt.stroke),
    )


def similar_instances(
    models: Models,
    image: NDArray[np.uint8],
    embedding: ImageEmbedding,
    shown: Sequence[NDArray[np.bool_]],
    *,
    label: str,
    options: SearchOptions,
    known: Sequence[MaskWindow] = (),
    size_hw: tuple[int, int] | None = None,
) -> list[Instance]:
    """Find what looks like the things that were shown in the same image.

    Args:
        models: the networks.
        image: RGB, (H, W, 3) uint8.
        embedding: of *image*.
        shown: masks of the things, each (H, W) bool.
        label: of the things.
        options: how to search.
        known: what is in the image already, of whatever label.
        size_hw: of the image in its own pixels, those of *shown*, *known* and what is found, where *image*
            was decoded at reduced size; None: it was not.

    Returns:
        The surest first; nothing that was shown or is known.

    Raises:
        EmptyReferenceMaskError: one of *shown* is empty.
        MaskSizeError: one of *shown* has another size than the image.
    """
    reduction = Reduction.of(image.shape[:2], size_hw)
    reference = build_reference(
        *(models.sam, models.semantic, image, [reduction.mask(mask) for mask in shown]),
        label=label,
        embedding=embedding,
        max_tiles=options.max_tiles,
        fine_tuned=options.fine_tuned,
    )
    found = find_instances(models, [reference], image, options=options, embedding=embedding, size_hw=size_hw)
    taken = [*map(mask_window, shown), *known]
    return [one for one in found.instances if not any(_same(one.window, other) for other in taken)]


def _decoded(sam: Sam, embedding: ImageEmbedding, prompt: Prompt) -> Mask:
    """One decode. A single point may mean a part, the whole or more, so the surest of three masks counts."""
    points_xy, labels = _points(prompt)
    stroke = None
    if prompt.stroke is not None:
        logits = reference_logits(prompt.stroke, embedding)
        stroke = (logits / logits.abs().max().clamp_min(1e-6))[None]
    answer = sam.decode(
        embedding,
        points_xy=points_xy,
        labels=labels,
        boxes_xyxy=None if prompt.box_xyxy is None else torch.tensor([prompt.box_xyxy]).float(),
        mask_logits=stroke,
        multimask=prompt.box_xyxy is None and stroke is None and len(prompt.points_xy) == 1,
    )
    return best(answer)


def _points(prompt: Prompt) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Points, (1, p, 2) float, and whether each lies on the thing, (1, p); None where there are none."""
    drawn = [] if prompt.stroke is None else spread_points(prompt.stroke, STROKE_POINTS)
    points_xy = [*prompt.points_xy, *drawn]
    if not points_xy:
        return None, None
    labels = [POSITIVE if on else NEGATIVE for on in prompt.positive] + [POSITIVE] * len(drawn)
    return torch.tensor([points_xy]).float(), torch.tensor([labels])


def spread_points(mask: NDArray[np.bool_], most: int) -> list[tuple[float, float]]:
    """Points of a mask that are far from each other: the one next to its middle, then always the farthest.

    Args:
        mask: (H, W) bool, not empty.
        most: how many.

    Returns:
        Centres of pixels, (x, y) in pixels of the image; fewer if the mask has fewer.
    """
    rows, columns = np.nonzero(mask)
    pixels = np.stack([columns, rows], axis=1) + 0.5
    distance = -np.square(pixels - pixels.mean(axis=0)).sum(axis=1)
    found: list[tuple[float, float]] = []
    while len(found) < min(most, len(pixels)):
        x, y = pixels[int(distance.argmax())].tolist()
        own = np.square(pixels - (x, y)).sum(axis=1)
        distance = np.minimum(distance, own) if found else own
        found.append((x, y))
    return found


def _same(one: MaskWindow, other: MaskWindow) -> bool:
    """Whether two masks show one object, or one of them a part of it."""
    return one.shared(other) > PART * min(one.area, other.area)
