"""Location confidence map: how much each cell of the test image looks like the target."""

from torch import Tensor
from torch.nn.functional import normalize

LEAST_LENGTH = 1e-12


def similarity_map(features: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Compare every cell of an image embedding with the target.

    PerSAM, "Location Confidence Map". Cells that are only padding get the least similarity of the image, so
    that no location prior falls on them.

    Args:
        features: SAM embedding of the test image, (C, h, w) float.
        target: target embedding, (C,) float.
        valid: cells that hold a part of the image, (h, w) bool.

    Returns:
        Cosine of each cell with the target, (h, w) float in [-1, 1].
    """
    cosine = (unit_cells(features) * normalize(target, dim=0)[:, None, None]).sum(dim=0)
    return cosine.masked_fill(~valid, float(cosine[valid].min()))


def unit_cells(features: Tensor) -> Tensor:
    """The vector of each cell at length 1, (C, h, w) float; zeros stay zeros."""
    return features / lengths(features)


def lengths(features: Tensor) -> Tensor:
    """How long the vector of each cell of (C, h, w) is, not quite 0, (h, w) float.

    What ``norm`` and ``normalize`` say; they take six times as long over the first dimension.
    """
    return features.square().sum(dim=0).sqrt().clamp_min(LEAST_LENGTH)
