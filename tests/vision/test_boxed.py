"""A box around a thing becomes the thing; on drawn images with a network that sees colours, and on coins."""

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.coins import coin_masks, coins_image
from backend.vision.boxed import thing_inside
from backend.worker.models import load_models
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious

THING = (14, 36, 24, 24)


def test_what_is_beside_the_thing_in_the_box_is_left_out() -> None:
    """The box is two pixels wider on each side."""
    sam = colour_models().sam

    found = thing_inside(sam, sam.embed(drawn((*THING, RED))), box_mask(12, 34, 28, 28))

    assert np.array_equal(found, box_mask(*THING))


def test_nothing_outside_of_what_was_drawn_is_taken() -> None:
    """The upper half of the thing is drawn around."""
    sam = colour_models().sam
    upper = box_mask(14, 36, 12, 24)

    found = thing_inside(sam, sam.embed(drawn((*THING, RED))), upper)

    assert found.any()
    assert not (found & ~upper).any()


@pytest.mark.weights
def test_boxes_around_coins_become_coins(weights: Path, cache_dir: Path) -> None:  # noqa: ARG001 - fetched
    """A box is a quarter larger than the coin inside, an IoU of 0.79 at best."""
    sam = load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=0).sam
    coins = list(coin_masks())
    embedding = sam.embed(coins_image())
    boxes = []
    for mask in coins:
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = np.zeros_like(mask)
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        boxes.append(box)

    found = [thing_inside(sam, embedding, box) for box in boxes]

    assert min(matched_ious(found, coins)) > 0.9
