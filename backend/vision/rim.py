"""Rim: how an image looks along an outline of a thing, against what is inside of it and what is around."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from backend.vision.colour import lab
from backend.vision.drawing import near
from backend.vision.sam import ImageEmbedding

BAND = 3.5  # low-resolution pixels on either side of an outline that may change sides
AROUND = 8  # low-resolution pixels outside an outline whose colours are those around the thing
MARGIN = 14  # of low-resolution pixels around a mask: what is blurred must not end there
BLURS = (0.7, 1.5, 3.0)  # low-resolution pixels: standard deviations of what slopes are taken of
SCALES = (20.0, 5.0)  # of colours and of their slopes, in units of L*a*b*: makes numbers of about 1
LEAST_CONTRAST = 5.0  # of L*a*b*
FEATURES = 2 * (9 + 3 * len(BLURS))  # each once more, squared
CLEAR = 4.0  # numbers beyond are squared as if they were it
MEANS = 6

Pixels = NDArray[np.floating]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rim:
    """How an image looks along an outline.

    Attributes:
        rows: of the window around it.
        columns: of the window.
        inside: the mask in the window, (n, m) bool.
        means: of L*, a* and b* inside, then around, (MEANS,).
        band: pixels of the window that may change sides, p of them, (n, m) bool.
        features: of each of them, (p, FEATURES) float32.
    """

    rows: slice
    columns: slice
    inside: Mask
    means: Pixels
    band: Mask
    features: NDArray[np.float32]


def colours_of(window: NDArray[np.uint8], embedding: ImageEmbedding) -> Pixels:
    """L*, a* and b* of what the low-resolution square shows of a view, (rows, columns, 3).

    Args:
        window: pixels of the view, RGB, (H, W, 3) uint8.
        embedding: of the view.
    """
    size_hw = embedding.shown_hw(4 * embedding.grid_hw[0])
    pixels = torch.from_numpy(np.require(window, requirements=("C", "W"))).permute(2, 0, 1)[None].float()
    small = interpolate(pixels, size_hw, mode="bilinear", antialias=True)[0]
    return np.ascontiguousarray(lab(small / 255).permute(1, 2, 0).numpy(), dtype=np.float64)


def rim_of(mask: Mask, colours: Pixels) -> Rim | None:
    """How an image looks along the outline of a mask.

    Args:
        mask: at low resolution, over the padded square, (4h, 4w) bool.
        colours: see ``colours_of``.

    Returns:
        That, or None for an empty mask, or one that has nothing around it.
    """
    shown = mask[: colours.shape[0], : colours.shape[1]]
    if not shown.any():
        return None
    rows, columns = (near(torch.from_numpy(shown), dim=dim, margin=MARGIN) for dim in (1, 0))
    inside, seen = shown[rows, columns], colours[rows, columns]
    if inside.all():
        return None
    depth = _depth(inside)
    around = ~inside & (depth > -AROUND)
    within, beside = seen[inside].mean(axis=0), seen[around].mean(axis=0)
    contrast = (np.linalg.norm(within - beside) + LEAST_CONTRAST) ** 2
    features = [depth, depth / np.sqrt(inside.sum()), (seen - beside) @ (within - beside) / contrast]
    features += [(seen[..., k] - other[k]) / SCALES[0] for k in range(3) for other in (within, beside)]
    features += _slopes(seen[..., 0], depth)
    band = np.abs(depth) <= BAND
    plain = np.stack(features, axis=-1)[band]
    both = np.concatenate([plain, plain.clip(-CLEAR, CLEAR) ** 2], axis=1)
    means = np.concatenate([within, beside])
    return Rim(rows, columns, inside, means, band, both.astype(np.float32))


def _depth(inside: Mask) -> Pixels:
    """How deep inside the outline each pixel lies, in pixels; outside below 0."""
    from scipy.ndimage import distance_transform_edt  # large: only where something is to be learned

    outwards, inwards = distance_transform_edt(~inside), distance_transform_edt(inside)
    return np.where(inside, inwards - 0.5, 0.5 - outwards)


def _slopes(light: Pixels, depth: Pixels) -> Iterator[Pixels]:
    """Of L*, for each of ``BLURS``: its slope inwards, how steep it is, and how the slope changes inwards."""
    from scipy.ndimage import gaussian_filter

    down, across = np.gradient(gaussian_filter(depth, 1.0))
    length = np.hypot(down, across) + 1e-6
    down, across = down / length, across / length
    for sigma in BLURS:
        slope_down, slope_across = np.gradient(gaussian_filter(light, sigma))
        inwards = slope_down * down + slope_across * across
        changes_down, changes_across = np.gradient(inwards)
        yield inwards / SCALES[1]
        yield np.hypot(slope_down, slope_across) / SCALES[1]
        yield (changes_down * down + changes_across * across) / SCALES[1]
