"""A scene searched in full and at reduced size."""

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.reduced_search import both_ways, iou
from backend.labelstudio.images import ImageLimits
from backend.vision.instance import mask_window
from backend.vision.pipeline import SearchOptions
from backend.worker.models import load_models


@pytest.mark.weights
def test_a_halved_scene_shows_the_same_coins(weights: object, cache_dir: Path) -> None:  # noqa: ARG001
    """Of odd sizes; masks are compared in the image's own pixels."""
    models = load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=1)

    found = both_ways(
        *(models, (1537, 2051)), things=4, limits=ImageLimits(enough_side=1024), options=SearchOptions()
    )

    assert (found.times, found.found, found.found_reduced) == (2, 4, 4)
    assert found.f1 == found.f1_reduced == 1
    assert found.least_iou > 0.98


def test_iou_is_that_of_pixels() -> None:
    """Two of three pixels."""
    first, second = np.zeros((3, 5), np.bool_), np.zeros((3, 5), np.bool_)
    first[1, 1:3] = second[1, 1:4] = True

    assert iou(mask_window(first), mask_window(second)) == pytest.approx(2 / 3)
