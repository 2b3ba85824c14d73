"""Edges: how an image changes across the outline of an object, and how sharply.

What is out of focus, a halo around a thing, or a piece of a larger one has another edge than the thing: the
colours change otherwise across its outline, or not all along it. No label is needed to see it, and no memory
of other images: the reference has an edge of its own to compare with.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from backend.vision.colour import lab
from backend.vision.sam import ImageEmbedding

MASKS_PER_PASS = 32  # a bound on memory
POINTS = 96  # of one outline, at most
FEWEST = 8  # points that say something
ACROSS = 12  # pixels of the model's input that are looked at on either side of an outline
ASTRAY = 4  # pixels that an outline may lie beside its edge
AROUND = 5  # pixels on either side of the steepest one that are compared
LEAST_CHANGE = 0.5  # of L*a*b*, which nobody sees
LEAST_SHARPNESS = 0.05
SLOPE = 2  # low-resolution pixels on either side that tell where an outline faces
STEEPEST = 0.5  # logit: beyond, it says no more about where the outline runs


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of n objects.

    Attributes:
        profiles: change of L*, a* and b* a pixel, from inside to outside, around the steepest pixel; mean
            along the outline; (n, 2 * AROUND + 1, 3) float.
        sharpness: share of all change that happens at the steepest pixel, (n,) float in [0, 1].
        known: enough of the outline lies inside the image, (n,) bool.
    """

    profiles: Tensor
    sharpness: Tensor
    known: Tensor

    def of(self, chosen: list[int]) -> "Edges":
        """Those of some of the objects, by number."""
        return Edges(self.profiles[chosen], self.sharpness[chosen], self.known[chosen])

    def likeness(self, other: "Edges") -> Tensor:
        """Say how alike the edges of n objects are to that of one, whatever the contrast: cosines, (n,).

        1 where either is not known.
        """
        mine, reference = self.profiles.flatten(1), other.profiles.flatten(1)[0]
        lengths: Tensor = (mine.norm(dim=1) * reference.norm()).clamp_min(1e-6)
        return (mine @ reference / lengths).where(self.known & other.known[0], 1.0)

    def log_sharpness(self, other: "Edges") -> Tensor:
        """Logarithm of how many times sharper than that of one the edges are, (n,) float.

        0 where either is not known.
        """
        mine, reference = ((one.sharpness + LEAST_SHARPNESS).log() for one in (self, other))
        return (mine - reference[0]).where(self.known & other.known[0], 0.0)


def edges_of(image: NDArray[np.uint8], logits: Tensor, embedding: ImageEmbedding) -> Edges:
    """Measure the edges of n objects of one image.

    Args:
        image: RGB, (H, W, 3) uint8.
        logits: low-resolution logits, (n, 4h, 4w) float; above 0 is object.
        embedding: the image's embedding, for its frame.
    """
    logits = logits.float().cpu()
    parts = [outlines(smoothed(some)) for some in torch.split(logits, MASKS_PER_PASS)]
    owner = torch.cat([one + number * MASKS_PER_PASS for number, (one, *_) in enumerate(parts)])
    places_xy, facing_xy = (torch.cat([part[at] for part in parts]) for at in (1, 2))
    scale = embedding.input_size / logits.shape[-1]
    places_xy = (places_xy + 0.5) * scale  # in the square, from the outer edge of its first pixel
    height, width = embedding.resized_hw
    room = torch.tensor([width, height]) - places_xy
    inside = (torch.minimum(places_xy, room) >= ASTRAY).all(dim=1)
    owner, places_xy, facing_xy = owner[inside], places_xy[inside], facing_xy[inside]
    steps = torch.arange(-ACROSS, ACROSS + 1)[None, :, None]
    colours = colours_at(
        image, places_xy[:, None] + facing_xy[:, None] * steps, embedding
    )  # (points, steps, 3)
    counts = torch.bincount(owner, minlength=len(logits))
    mean = torch.zeros(len(logits), *colours.shape[1:]).index_add_(0, owner, colours)
    return measured(mean / counts.clamp_min(1)[:, None, None], counts >= FEWEST)


def measured(colours: Tensor, known: Tensor) -> Edges:
    """Find the steepest place of each edge.

    Args:
        colours: L*, a* and b* across each outline, from inside to outside, mean along it, (n, steps, 3)
            float.
        known: (n,) bool.
    """
    change = (colours[:, 2:] - colours[:, :-2]) / 2
    steep = change.norm(dim=2)
    middle = steep.shape[1] // 2
    near = steep[:, middle - ASTRAY : middle + ASTRAY + 1]
    steepest = near.argmax(dim=1) + middle - ASTRAY
    around = steepest[:, None] + torch.arange(-AROUND, AROUND + 1)
    profiles = change.gather(1, around[:, :, None].expand(-1, -1, 3))
    everything = (colours.amax(dim=1) - colours.amin(dim=1)).norm(dim=1) + LEAST_CHANGE
    return Edges(profiles, near.amax(dim=1) / everything, known)


def smoothed(logits: Tensor) -> Tensor:
    """Leave holes and specks out of masks, which are no outlines of a thing: logits, (n, 4h, 4w) float."""
    smooth = logits.clamp(-STEEPEST, STEEPEST)[:, None]
    for _ in range(2):
        smooth = avg_pool2d(smooth, 3, stride=1, padding=1, count_include_pad=False)
    return smooth[:, 0]


def outlines(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find points on the outlines of n masks.

    Args:
        logits: low-resolution logits, (n, 4h, 4w) float.

    Returns:
        For each point its mask, (p,) int; its place in low-resolution pixels, (p, 2) float, x before y; and
        the direction that leads out of the mask there, (p, 2) float of length 1.
    """
    found = [crossings(logits), crossings(logits.transpose(1, 2))]
    owner = torch.cat([one[0] for one in found])
    places_xy = torch.cat([found[0][1], found[1][1].flip(1)])
    few = thinned(owner, len(logits))
    owner, places_xy = owner[few], places_xy[few]
    return owner, places_xy, facing(logits, owner, places_xy)


def crossings(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Find where logits cross 0 between neighbours of a row.

    Args:
        logits: (n, rows, columns) float.

    Returns:
        Number of the mask, (p,) int; x and y in pixels, (p, 2) float.
    """
    mask = logits > 0
    owner, row, column = (mask[:, :, 1:] ^ mask[:, :, :-1]).nonzero().T
    left, right = logits[owner, row, column], logits[owner, row, column + 1]
    return owner, torch.stack([column + left / (left - right), row.to(left.dtype)], dim=1)


def thinned(owner: Tensor, count: int) -> Tensor:
    """Choose at most ``POINTS`` of each mask's points, evenly.

    Args:
        owner: the mask of each point, (p,) int.
        count: how many masks there are.

    Returns:
        Numbers of the points that stay, mask by mask.
    """
    order = owner.argsort(stable=True)
    counts = torch.bincount(owner, minlength=count)
    place = torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner[order]]
    step = (counts + POINTS - 1) // POINTS
    return order[place % step[owner[order]] == 0]


def facing(logits: Tensor, owner: Tensor, places_xy: Tensor) -> Tensor:
    """Say where masks' outlines face at some points: where the logits fall, (p, 2) float of length 1."""
    height, width = logits.shape[1:]
    column, row = places_xy.round().long().T

    def at(dx: int, dy: int) -> Tensor:
        rows, columns = (row + dy).clamp(0, height - 1), (column + dx).clamp(0, width - 1)
        return logits[owner, rows, columns]

    beside = range(-SLOPE, SLOPE + 1)
    falls = torch.stack(
        [
            sum((at(-SLOPE, one) - at(SLOPE, one) for one in beside), torch.zeros(len(owner))),
            sum((at(one, -SLOPE) - at(one, SLOPE) for one in beside), torch.zeros(len(owner))),
        ],
        dim=1,
    )
    lengths: Tensor = falls.norm(dim=1, keepdim=True).clamp_min(1e-6)
    return falls / lengths


def colours_at(image: NDArray[np.uint8], places_xy: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Read an image, at the model's resolution, between its pixels.

    Args:
        image: RGB, (H, W, 3) uint8.
        places_xy: in pixels of the padded square, from the outer edge of its first one, (p, s, 2) float.
        embedding: the image's embedding, for its frame.

    Returns:
        L*, a* and b*, (p, s, 3) float.
    """
    pixels = torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]
    resized = interpolate(pixels, embedding.resized_hw, mode="bilinear", antialias=True).float()
    height, width = embedding.resized_hw
    grid = places_xy * 2 / torch.tensor([width, height]) - 1
    read = grid_sample(resized, grid[None], padding_mode="border", align_corners=False)[0]  # (3, p, s)
    return lab(read / 255).permute(1, 2, 0)
