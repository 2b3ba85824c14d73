"""Instances are checked when they are made."""

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.vision.instance import Instance

MASK = np.zeros((3, 5), dtype=np.bool_)


def test_an_instance_holds_what_was_found() -> None:
    """A mask, and how sure it is."""
    assert Instance("coin", MASK, 0.9, -0.2).confidence == 0.9


@pytest.mark.parametrize(
    ("mask", "confidence", "similarity", "message"),
    [
        (MASK.astype(np.uint8), 0.9, 0.5, "bool, got .3, 5. uint8"),
        (MASK[0], 0.9, 0.5, "expected .H, W."),
        (MASK, 1.2, 0.5, "confidence: .* got 1.2"),
        (MASK, float("nan"), 0.5, "confidence: .* got nan"),
        (MASK, 0.9, -1.5, "similarity: .* got -1.5"),
    ],
)
def test_what_cannot_be_is_refused(
    mask: NDArray[np.bool_], confidence: float, similarity: float, message: str
) -> None:
    """With what was expected and what was there."""
    with pytest.raises(ValueError, match=message):
        Instance("coin", mask, confidence, similarity)
