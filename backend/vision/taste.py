"""Taste: what tells the things that people confirmed from the look-alikes that they deleted.

A direction in the space of the semantic vectors (linear discriminant analysis, with the spread within both
kinds shrunk towards a ball): nothing that the one-shot reference could know, for it shows no look-alikes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.vision.errors import LearnedError

SHRINKAGE = 0.3  # of the spread within both kinds, in all directions alike
FEWEST = 2  # of each kind
MOST = 1000  # candidates that are compared: a bound on the work
CLEAR = 1.5  # beyond, there is no doubt; 1 is the usual confirmed one, -1 the usual deleted one


@dataclass(frozen=True)
class Taste:
    """How much a candidate looks like the confirmed ones rather than the deleted ones.

    Attributes:
        direction: in the space of the semantic vectors, D numbers.
        middle: product with the direction halfway between the two kinds.
        weight: how much it counts.
    """

    direction: tuple[float, ...]
    middle: float
    weight: float

    def values(self, vectors: Tensor) -> Tensor:
        """Say how confirmed ones look: around 1 like them, around -1 like deleted ones; (n,) float.

        Args:
            vectors: unit semantic vectors of n candidates, (n, D) float.

        Raises:
            LearnedError: it was learned with another encoder.
        """
        if vectors.shape[1] != len(self.direction):
            raise LearnedError(
                f"taste: expected vectors of {len(self.direction)} numbers as it was learned with, got "
                f"{vectors.shape[1]}; learn anew with this encoder"
            )
        told = vectors.double() @ torch.tensor(self.direction, dtype=torch.float64) - self.middle
        return told.clamp(-CLEAR, CLEAR).float()


def taste_of(vectors: Tensor, right: Tensor) -> Taste | None:
    """Find what tells right candidates from wrong ones; it counts nothing yet.

    Args:
        vectors: unit semantic vectors of n candidates, (n, D) float.
        right: which of them show the thing, (n,) bool.

    Returns:
        None with too few of either kind, or if nothing tells them apart.
    """
    step = -(-len(vectors) // MOST) or 1
    vectors, right = vectors[::step].double(), right[::step]
    if min(int(right.sum()), int((~right).sum())) < FEWEST:
        return None
    means = vectors[right].mean(dim=0), vectors[~right].mean(dim=0)
    within = vectors - torch.where(right[:, None], *means)
    apart = means[0] - means[1]
    direction = unspread(within, apart)
    gap = float(direction @ apart)
    if gap < torch.finfo(torch.float32).eps:
        return None
    scaled = direction * (2 / gap)
    middle = float(scaled @ (means[0] + means[1])) / 2
    return Taste(tuple(float(f"{one:.6g}") for one in scaled.tolist()), middle, 0.0)


def unspread(within: Tensor, apart: Tensor) -> Tensor:
    """Divide a difference by the shrunk covariance of n rows, by way of their (n, n) products.

    Args:
        within: rows less the mean of their kind, (n, D) double.
        apart: (D,) double.
    """
    count = len(within)
    ball = max(SHRINKAGE * float(within.square().sum()) / count / min(within.shape), 1e-9)
    products = within @ within.T / count + ball * torch.eye(count, dtype=torch.float64)
    explained = torch.linalg.solve(products, within @ apart / count)
    found: Tensor = (apart - within.T @ explained) / ball
    return found
