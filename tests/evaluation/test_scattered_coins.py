"""Scenes of coins: as many as were asked for, apart from each other, each where its mask says."""

import numpy as np
import pytest

from backend.evaluation.scattered_coins import scattered_coins


@pytest.mark.parametrize("count", [1, 7, 100])
def test_as_many_coins_as_asked_for_none_touching_another(count: int) -> None:
    scene = scattered_coins(count, size_hw=(600, 600), seed=3)

    covered = np.sum(scene.masks, axis=0)
    assert scene.image.shape == (600, 600, 3)
    assert len(scene.masks) == count
    assert covered.max() == 1
    assert min(mask.sum() for mask in scene.masks) > 300
    assert scene.image[covered == 1].mean() > scene.image[covered == 0].mean() + 50


@pytest.mark.parametrize(("count", "size_hw"), [(10, (384, 512)), (10, (512, 384)), (50, (100, 900))])
def test_a_scene_may_be_longer_than_wide(count: int, size_hw: tuple[int, int]) -> None:
    """Ten coins fit into a lattice of 3 x 4; its places are as wide as high."""
    scene = scattered_coins(count, size_hw=size_hw, seed=3)

    covered = np.sum(scene.masks, axis=0)
    assert scene.image.shape == (*size_hw, 3)
    assert covered.shape == size_hw
    assert len(scene.masks) == count
    assert covered.max() == 1
    assert min(mask.sum() for mask in scene.masks) > 100


def test_the_same_seed_gives_the_same_scene_and_another_another() -> None:
    scene, again, other = (scattered_coins(5, size_hw=(300, 300), seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(scene.image, again.image)
    assert all(np.array_equal(one, two) for one, two in zip(scene.masks, again.masks, strict=True))
    assert not np.array_equal(scene.image, other.image)
