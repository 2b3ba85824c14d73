"""Colour: the cue that meaning leaves out, and that look-alikes often differ in."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from backend.vision.sam import ImageEmbedding

LIGHTNESS_BINS, HUE_BINS = 6, 9
HUE_RANGE = 54.0  # of a* and b*, either way: few colours of photographs lie beyond
WHITE = (0.950456, 1.0, 1.088754)  # D65
TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


def colour_histograms(image: NDArray[np.uint8], masks: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Say which colours each mask has, in CIE L*a*b*.

    Args:
        image: RGB, (H, W, 3) uint8.
        masks: low-resolution masks, (n, 4h, 4w) bool.
        embedding: the image's embedding, for its frame.

    Returns:
        Square roots of the shares of the bins, so that the product of two is their Bhattacharyya coefficient,
        1 for the same colours; (n, bins) float.
    """
    height, width = embedding.shown_hw(masks.shape[-1])
    bins = colour_bins(small_lab(image, height, width)).flatten()
    inside = masks[:, :height, :width].flatten(1).float().cpu()
    counts = inside.new_zeros(len(masks), LIGHTNESS_BINS * HUE_BINS**2).index_add_(1, bins, inside)
    return (counts / counts.sum(dim=1, keepdim=True).clamp_min(1)).sqrt()


def small_lab(image: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """CIE L*a*b* of an image, RGB, (H, W, 3) uint8, at another size, (3, height, width) float."""
    pixels = torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]
    small = interpolate(pixels, (height, width), mode="bilinear", antialias=True)[0]
    return lab(small.float() / 255)


def colour_bins(colours: Tensor) -> Tensor:
    """Number of the histogram bin of each colour, (h, w) int.

    Args:
        colours: L*, a* and b*, (3, h, w) float.
    """
    lightness = (colours[0] / 100 * LIGHTNESS_BINS).long().clamp(0, LIGHTNESS_BINS - 1)
    hues = ((colours[1:] + HUE_RANGE) / (2 * HUE_RANGE) * HUE_BINS).long().clamp(0, HUE_BINS - 1)
    return (lightness * HUE_BINS + hues[0]) * HUE_BINS + hues[1]


def lab(rgb: Tensor) -> Tensor:
    """CIE L*a*b* (D65) of sRGB.

    Args:
        rgb: (3, h, w) float in [0, 1].

    Returns:
        L* in [0, 100], a* and b* about [-100, 100], (3, h, w) float.
    """
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = torch.einsum("ij,jhw->ihw", torch.tensor(TO_XYZ), linear) / torch.tensor(WHITE)[:, None, None]
    f = torch.where(xyz > 0.008856, xyz.clamp_min(0.008856) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
