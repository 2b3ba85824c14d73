"""Target embedding: what the annotated object looks like to SAM."""

import torch
from torch import Tensor

from backend.vision.errors import EmptyReferenceMaskError

HALF_COVERED = 0.5


def target_embedding(reference_features: Tensor, coverage: Tensor) -> Tensor:
    """Average the reference image's embedding over the reference mask.

    PerSAM, "Positive-negative Location Prior". Departs from the published code where that breaks: cells
    count by how much of them the mask covers, not by a colour threshold, and a mask smaller than a cell
    stands for the cell it covers best. Not normalised: target-semantic prompting needs the raw mean, and
    ``similarity_map`` normalises for itself.

    Args:
        reference_features: SAM embedding of the reference image, (C, h, w) float.
        coverage: share of each cell that the mask covers, (h, w) float in [0, 1].

    Returns:
        Mean feature of the object, (C,) float.

    Raises:
        EmptyReferenceMaskError: the mask covers no cell of the grid.
    """
    weights = cell_weights(coverage)
    return torch.einsum("chw,hw->c", reference_features, weights)


def cell_weights(coverage: Tensor) -> Tensor:
    """Say how much each cell counts for the object.

    By its coverage; the best-covered cell alone where none is covered by half.

    Args:
        coverage: share of each cell that the mask covers, (h, w) float in [0, 1].

    Returns:
        Weights that sum to one, (h, w) float.

    Raises:
        EmptyReferenceMaskError: the mask covers no cell of the grid.
    """
    best = float(coverage.max())
    if best <= 0:
        raise EmptyReferenceMaskError(
            f"reference mask: expected to cover some of the {tuple(coverage.shape)} cells, got none; paint it"
        )
    weights = coverage if best >= HALF_COVERED else (coverage == best).to(coverage.dtype)
    return weights / weights.sum()
