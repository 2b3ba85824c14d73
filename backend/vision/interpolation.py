"""Reading between the cells of a grid, linearly: a product with weights for each of its sides."""

import torch
from torch import Tensor


def linear_weights(places: Tensor, cells: int) -> Tensor:
    """How much each cell along a side of a grid says at some places.

    Args:
        places: in cells, 0 at the centre of the first; beyond the first and the last, these say all; (n,)
            float.
        cells: along the side.

    Returns:
        Weights that sum to 1, (n, cells) float.
    """
    numbers = torch.arange(cells, device=places.device)
    return (1 - (places.clamp(0, cells - 1)[:, None] - numbers).abs()).clamp_min(0)
