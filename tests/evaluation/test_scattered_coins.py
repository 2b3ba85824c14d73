"""Scenes of coins: as many as were asked for, apart from each other, each where its mask says."""

import numpy as np
import pytest

from backend.evaluation.scattered_coins import scattered_coins


@pytest.mark.parametrize("count", [1, 7, 100])
def test_as_many_coins_as_asked_for_none_touching_another(count: int) -> None:
    scene = scattered_coins(count, side=600, seed=3)

    covered = np.sum(scene.masks, axis=0)
    assert scene.image.shape == (600, 600, 3)
    assert len(scene.masks) == count
    assert covered.max() == 1
    assert min(mask.sum() for mask in scene.masks) > 300
    assert scene.image[covered == 1].mean() > scene.image[covered == 0].mean() + 50


def test_the_same_seed_gives_the_same_scene_and_another_another() -> None:
    scene, again, other = (scattered_coins(5, side=300, seed=seed) for seed in (1, 1, 2))

    assert np.array_equal(scene.image, again.image)
    assert all(np.array_equal(one, two) for one, two in zip(scene.masks, again.masks, strict=True))
    assert not np.array_equal(scene.image, other.image)
