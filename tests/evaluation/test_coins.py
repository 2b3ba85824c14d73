"""The true masks of the coins."""

import numpy as np

from backend.evaluation.coins import coin_ids, coin_masks, coins_image


def test_every_coin_of_the_photograph_has_one_filled_round_mask() -> None:
    """Four rows of six; none touches another, none has a hole, all are as wide as they are high."""
    masks = coin_masks()

    heights = masks.any(axis=2).sum(axis=1)
    widths = masks.any(axis=1).sum(axis=1)
    assert masks.shape == (24, 303, 384)
    assert (masks.sum(axis=0) <= 1).all()
    assert (np.abs(heights - widths) <= 9).all()
    assert (masks.sum(axis=(1, 2)) / (heights * widths) > 0.7).all()  # a disc fills pi/4 of its box


def test_ids_are_on_the_grid_of_the_image() -> None:
    """The demo cuts both with the same window."""
    assert coin_ids().shape == coins_image().shape[:2]
    assert np.unique(coin_ids()).tolist() == list(range(25))
