"""Data sets in the mirror."""

import numpy as np
import pytest

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.mirrored import Mirror, mirrored

IDS = np.array([[1, 1, 0], [0, 2, 0]], dtype=np.int32)


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("left-right", [[0, 1, 1], [0, 2, 0]]),
        ("up-down", [[0, 2, 0], [1, 1, 0]]),
        ("both", [[0, 2, 0], [0, 1, 1]]),
    ],
)
def test_images_and_masks_are_mirrored_alike(mirror: Mirror, expected: list[list[int]]) -> None:
    """Pixels are as bright as their instance's id."""
    pixels = np.repeat(IDS[..., None], 3, axis=2).astype(np.uint8)
    image = LabelledImage("a", "-", {1: "fig", 2: "date"}, lambda: pixels, lambda: IDS)

    (seen,) = mirrored(Dataset("nuts", (image,)), mirror).images

    assert seen.ids().tolist() == expected
    assert seen.pixels()[..., 0].tolist() == seen.pixels()[..., 2].tolist() == expected
    assert seen.masks("date")[2].sum() == 1
    assert (seen.name, seen.classes) == ("a", image.classes)
