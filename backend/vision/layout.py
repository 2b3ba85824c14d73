"""Layout: which colours lie where on a thing. It tells apart what is made of the same parts.

Each thing is laid straight, whichever way it lies in its image: along the sides of the smallest upright or
turned box around it, and in a quarter turn of them. What changes slowly over it is left out: shading, which
all round things share.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, grid_sample, pad

from backend.vision.colour import small_lab
from backend.vision.sam import ImageEmbedding

CELLS = 16  # along each side of a thing
SAMPLES = 4  # along each side of a cell
SLOWLY = 3.0  # cells: standard deviation of the means that are taken off
ANGLES = 30  # of a quarter turn, of which one lays a thing straight
POINTS = 256  # of a mask, about, which say how it lies
STRAY = 0.01  # of a mask's points on each side of it, which say nothing about its box
FAINT = 16.0  # of L*, a* or b*, all cells together: one in each, which nobody sees
LEAST_COVERED = 1e-3
NOWHERE = -2.0  # where an image is read, at -1 to 1


def layouts_of(image: NDArray[np.uint8], masks: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Say which colours lie where on each of n things.

    Args:
        image: RGB, (H, W, 3) uint8.
        masks: low-resolution masks, (n, 4h, 4w) bool.
        embedding: the image's embedding, for its frame.

    Returns:
        By how much L*, a* and b* of each cell differ from what is around it, each of the three of the same
        length, so that the product of two layouts is the mean of their three correlations; 0 beside the thing
        and for an empty mask; (n, 3, ``CELLS``, ``CELLS``) float.
    """
    height, width = embedding.shown_hw(masks.shape[-1])
    inside = masks[:, None, :height, :width].float().cpu()
    side = CELLS * SAMPLES
    straight = [laid_straight(one[0]) for one in inside]
    places = torch.stack([torch.zeros(side, side, 2), *straight])[1:]
    colours = small_lab(image, height, width).expand(len(inside), -1, -1, -1)
    shown = torch.cat([colours, inside], dim=1)
    read = grid_sample(shown, places, align_corners=False)
    colours, covered = read[:, :3], read[:, 3:]
    share = avg_pool2d(covered, SAMPLES)
    values = avg_pool2d(colours * covered, SAMPLES) / share.clamp_min(LEAST_COVERED)
    values = values - blurred(values * share) / blurred(share).clamp_min(LEAST_COVERED)
    middle = (values * share).sum(dim=(2, 3)) / share.sum(dim=(2, 3)).clamp_min(LEAST_COVERED)
    values = (values - middle[..., None, None]) * share
    lengths = values.flatten(2).norm(dim=2).clamp_min(FAINT) * 3**0.5
    layouts: Tensor = values / lengths[..., None, None]
    return layouts


def likeness(layouts: Tensor, others: Tensor) -> Tensor:
    """Say how alike layouts are, in the quarter turn in which they are most alike.

    Args:
        layouts: of n things, (n, 3, ``CELLS``, ``CELLS``) float.
        others: of m things, likewise.

    Returns:
        1 for the same, about 0 for any others, (n, m) float.
    """
    turned = torch.stack([torch.rot90(others, turns, (2, 3)).flatten(1) for turns in range(4)])
    return (layouts.flatten(1) @ turned.transpose(1, 2)).amax(dim=0)


def laid_straight(mask: Tensor) -> Tensor:
    """Find the smallest turned box around a mask, and lay a grid along its sides.

    Args:
        mask: what is above 0 is thing, (h, w) float.

    Returns:
        Where its samples lie, x before y, from -1 at the left or upper edge of the mask's frame to 1 at the
        other; ``NOWHERE`` for an empty mask; (``CELLS * SAMPLES``, ``CELLS * SAMPLES``, 2) float.
    """
    side = CELLS * SAMPLES
    rows, columns = (mask > 0).nonzero().T
    if not len(rows):
        return torch.full((side, side, 2), NOWHERE)
    places_xy = torch.stack([columns, rows], dim=1)[:: -(-len(rows) // POINTS)] + 0.5
    angles = torch.arange(ANGLES) * (torch.pi / 2 / ANGLES)
    axes_xy = torch.stack(
        [
            torch.stack([angles.cos(), angles.sin()], dim=1),
            torch.stack([-angles.sin(), angles.cos()], dim=1),
        ]
    )  # (2, angles, 2)
    along = (axes_xy @ places_xy.T).sort(dim=2).values  # (2, angles, points)
    stray = round(STRAY * (len(places_xy) - 1))
    first, last = along[..., stray], along[..., len(places_xy) - 1 - stray]
    best = int((last - first + 1).prod(dim=0).argmin())
    steps = (torch.arange(side) + 0.5) / side
    across, down = (first[axis, best] + (last - first)[axis, best] * steps for axis in (0, 1))
    found_xy = across[None, :, None] * axes_xy[0, best] + down[:, None, None] * axes_xy[1, best]
    return found_xy * 2 / torch.tensor([mask.shape[1], mask.shape[0]]) - 1


def blurred(values: Tensor) -> Tensor:
    """Take the mean around each cell, weighed by a Gaussian of ``SLOWLY`` cells; 0 is around all of it.

    Args:
        values: (n, c, h, w) float.
    """
    reach = int(3 * SLOWLY)
    weights = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * SLOWLY**2))
    weights = (weights / weights.sum()).expand(values.shape[1], 1, 1, -1)
    lines = conv2d(pad(values, (reach, reach, 0, 0)), weights, groups=values.shape[1])
    columns: Tensor = conv2d(
        pad(lines, (0, 0, reach, reach)), weights.transpose(2, 3), groups=values.shape[1]
    )
    return columns
