"""The whole core with the real weights, on scikit-image's coins()."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.evaluation.coins import coin_masks, coins_image
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding
from backend.worker.models import load_models
from tests.mask_matching import matched_ious

pytestmark = pytest.mark.weights
TYPICAL = 3  # the coin of the reference
BARE = (slice(76, 102), slice(62, 242))  # between two rows of coins


@pytest.fixture(name="models", scope="module")
def _models(weights: Path, cache_dir: Path) -> Models:
    assert weights.is_dir()
    return load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=0)


@pytest.fixture(name="embedding", scope="module")
def _embedding(models: Models) -> ImageEmbedding:
    return models.sam.embed(coins_image())


@pytest.fixture(name="coin", scope="module")
def _coin(models: Models, embedding: ImageEmbedding) -> Reference:
    masks = [coin_masks()[TYPICAL]]
    return build_reference(
        models.sam, models.semantic, coins_image(), masks, label="coin", embedding=embedding
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"search": "loop"}, {"search": "loop", "guidance": "none", "semantic_check": False}],
    ids=["default", "loop", "loop without check"],
)
def test_one_coin_finds_all_24_and_none_else(
    models: Models, coin: Reference, embedding: ImageEmbedding, options: dict[str, Any]
) -> None:
    """With each search, each mask on its coin."""
    found = find_instances(
        models, [coin], coins_image(), options=SearchOptions(**options), embedding=embedding
    ).instances

    assert len(found) == 24
    assert min(matched_ious([one.mask for one in found], list(coin_masks()))) > 0.8
    assert {one.label for one in found} == {"coin"}
    assert [one.confidence for one in found] == sorted((one.confidence for one in found), reverse=True)


def test_persam_f_finds_coins_too(models: Models, coin: Reference, embedding: ImageEmbedding) -> None:
    """Its weights were fitted on one decode; the first few are enough to see it work."""
    options = SearchOptions(search="loop", fine_tuned=True, max_instances=3)

    found = find_instances(models, [coin], coins_image(), options=options, embedding=embedding).instances

    ious = matched_ious([one.mask for one in found], list(coin_masks()))
    assert sum(iou > 0.8 for iou in ious) == len(found) == 3


def test_nothing_is_found_where_there_is_nothing(models: Models, coin: Reference) -> None:
    """Bare ground from between the coins; an empty tuple is a normal answer."""
    bare = np.ascontiguousarray(coins_image()[BARE])

    assert find_instances(models, [coin], bare).instances == ()


def test_a_fixed_threshold_replaces_the_calibrated_one(
    models: Models, coin: Reference, embedding: ImageEmbedding
) -> None:
    """No coin is like another to a cosine of 0.99; the reference's own is."""
    options = SearchOptions(min_similarity=0.9)

    found = find_instances(models, [coin], coins_image(), options=options, embedding=embedding).instances

    assert 1 <= len(found) < 24
    assert min(one.similarity for one in found) >= 0.9


def test_the_image_is_encoded_once_and_every_stage_is_timed(models: Models, coin: Reference) -> None:
    """Search and check are not free either."""
    seconds = find_instances(models, [coin], coins_image()[:150, :150]).seconds

    assert min(seconds.encode, seconds.search, seconds.check) > 0


def test_of_two_labels_for_one_thing_each_object_gets_one(
    models: Models, coin: Reference, embedding: ImageEmbedding
) -> None:
    """Two references, the second from another coin: 24 objects, 24 masks."""
    other = build_reference(
        models.sam, models.semantic, coins_image(), [coin_masks()[13]], label="other", embedding=embedding
    )

    found = find_instances(models, [coin, other], coins_image(), embedding=embedding).instances

    assert len(found) == 24
    assert min(matched_ious([one.mask for one in found], list(coin_masks()))) > 0.8
    assert {one.label for one in found} == {"coin", "other"}
