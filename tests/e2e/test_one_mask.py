"""One annotated coin in, a pre-annotated project out."""

import pytest

from backend.demo.coins import DemoImage
from tests.annotator import Annotator, region_mask
from tests.e2e.conftest import CoinProject
from tests.mask_matching import matched_ious
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]


def test_every_other_task_has_one_prediction_of_the_version_on_the_status_page(
    stack: Stack, annotator: Annotator, coin_project: CoinProject
) -> None:
    version = stack.project(coin_project.id)["model_version"]
    others = set(coin_project.tasks.values()) - {coin_project.tasks["coins-1"]}

    predictions = annotator.predictions(coin_project.id)

    assert sorted(prediction["task"] for prediction in predictions) == sorted(others)
    assert {prediction["model_version"] for prediction in predictions} == {version}
    assert version.startswith("oneshot-mobilesam-")


def test_the_masks_are_the_coins(
    annotator: Annotator, coin_project: CoinProject, coins: dict[str, DemoImage]
) -> None:
    """As many regions as coins, and each over its coin, decoded as Label Studio's exporter does."""
    regions = {row["task"]: row["result"] for row in annotator.predictions(coin_project.id)}

    for name, image in coins.items():
        if name != "coins-1":
            masks = [region_mask(region) for region in regions[coin_project.tasks[name]]]
            assert len(masks) == len(image.masks), name
            assert min(matched_ious(masks, image.masks), default=1) > 0.8, name


def test_regions_are_editable_coins_with_scores(annotator: Annotator, coin_project: CoinProject) -> None:
    predictions = annotator.predictions(coin_project.id)
    regions = [region for prediction in predictions for region in prediction["result"]]

    assert {tuple(region["value"]["brushlabels"]) for region in regions} == {("Coin",)}
    assert not any(region.get("readonly") for region in regions)
    assert all(0 < region["score"] <= 1 for region in regions)
    assert all(0 < prediction["score"] <= 1 for prediction in predictions if prediction["result"])
    for prediction in predictions:
        ids = [region["id"] for region in prediction["result"]]
        assert len(set(ids)) == len(ids)


def test_bare_background_holds_an_empty_prediction(annotator: Annotator, coin_project: CoinProject) -> None:
    """Label Studio then stops asking for this task, and the annotator sees that it was looked at."""
    task = coin_project.tasks["coins-8"]

    held = [row["result"] for row in annotator.predictions(coin_project.id) if row["task"] == task]

    assert held == [[]]
    assert coin_project.rows["coins-8"]["state"] == "empty"


def test_the_status_page_tells_instances_confidence_and_seconds(
    coin_project: CoinProject, coins: dict[str, DemoImage]
) -> None:
    rows = coin_project.rows

    assert {name: row["instances"] for name, row in rows.items()} == {
        name: len(image.masks) for name, image in coins.items() if name != "coins-1"
    }
    assert all(row["seconds"] > 0 for row in rows.values())
    assert all(0 < row["confidence"] <= 1 for row in rows.values() if row["instances"])


def test_the_reference_is_the_annotated_coin(stack: Stack, coin_project: CoinProject) -> None:
    assert stack.project(coin_project.id)["references"] == [
        {
            "label": "Coin",
            "task": coin_project.tasks["coins-1"],
            "annotation": coin_project.annotation,
            "instances": 1,
            "weak": False,
            "small": False,
            "pictured": True,
        }
    ]
