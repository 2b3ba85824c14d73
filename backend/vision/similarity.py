"""Location confidence map: how much each cell of the test image looks like the target."""

from torch import Tensor
from torch.nn.functional import normalize


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
    cosine = (normalize(features, dim=0) * normalize(target, dim=0)[:, None, None]).sum(dim=0)
    return cosine.masked_fill(~valid, float(cosine[valid].min()))
