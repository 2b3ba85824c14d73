"""A tiny data set on disk that a reader can check by hand."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.vision.pipeline import Models
from backend.vision.semantics import CropEncoder
from tests.tiny_sam import tiny_sam


@pytest.fixture(scope="session")
def models() -> Models:
    """Real classes, random weights; a crop's vector is its mean colour."""
    return Models(tiny_sam(), CropEncoder(lambda pixels: pixels.mean((2, 3), keepdim=True)))


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write images of 20 x 40 pixels, each with instances of 10 x 10 side by side.

    Takes {name: ("group", {id: class})}.
    """

    def write(images: Mapping[str, tuple[str, Mapping[int, str]]], *, folder: str = "shapes") -> Path:
        root = tmp_path / folder
        (root / "images").mkdir(parents=True)
        (root / "instances").mkdir()
        entries = {}
        for name, (group, classes) in images.items():
            ids = instance_ids(tuple(classes))
            Image.fromarray(ids).save(root / "instances" / f"{name}.png")
            Image.fromarray(np.stack([ids * 40] * 3, axis=-1)).save(root / "images" / f"{name}.jpg")
            entries[name] = {"group": group, "instances": {str(i): cls for i, cls in classes.items()}}
        (root / "meta.json").write_text(json.dumps({"images": entries}))
        return root

    return write


def instance_ids(numbers: tuple[int, ...]) -> NDArray[np.uint8]:
    """Squares of 10 x 10 from left to right, at least 64 px each."""
    ids = np.zeros((20, 40), dtype=np.uint8)
    for place, number in enumerate(numbers):
        ids[:10, place * 10 : place * 10 + 10] = number
    return ids
