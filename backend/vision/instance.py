"""What the core finds: one object, its mask, and how sure it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Instance:
    """One found object.

    Args:
        label: the label of the reference it resembles most.
        mask: its pixels in the test image, (H, W) bool.
        confidence: how much to trust it, in [0, 1]; orders the instances of an image and of different images.
        similarity: cosine of its semantic vector with the reference's, in [-1, 1].
    """

    label: str
    mask: NDArray[np.bool_]
    confidence: float
    similarity: float

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f"mask: expected (H, W) bool, got {self.mask.shape} {self.mask.dtype}")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence: expected a value in [0, 1], got {self.confidence}")
        if not -1 <= self.similarity <= 1:
            raise ValueError(f"similarity: expected a value in [-1, 1], got {self.similarity}")
