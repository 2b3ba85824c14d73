"""What a person points at: on drawn images with networks that see colours, on coins with the real weights."""

from pathlib import Path

import numpy as np
import pytest

from backend.evaluation.coins import coin_masks, coins_image
from backend.vision.errors import MaskSizeError, PromptError
from backend.vision.instance import mask_window
from backend.vision.interactive import Prompt, segment_shown, similar_instances, spread_points
from backend.vision.pipeline import Models, SearchOptions
from backend.worker.models import load_models
from tests.colour_sam import BLUE, RED, box_mask, colour_models, drawn
from tests.mask_matching import matched_ious

FIRST, SECOND, OTHER = (2, 4, 24, 24), (14, 36, 24, 24), (2, 34, 8, 28)
BOUNDS = SearchOptions(max_instances=40)


@pytest.fixture(name="colours")
def _colours() -> Models:
    return colour_models()


def test_a_point_brings_the_whole_thing_under_it(colours: Models) -> None:
    """Of part, whole and more the model is surest of the whole."""
    image = drawn((*FIRST, RED), (*SECOND, RED))
    shown = segment_shown(colours.sam, colours.sam.embed(image), Prompt([(44.0, 25.0)], [True]))

    assert np.array_equal(shown.mask, box_mask(*SECOND))
    assert 0 < shown.confidence <= 1


def test_all_that_looks_alike_comes_without_what_is_there(colours: Models) -> None:
    image = drawn((*FIRST, RED), (*SECOND, RED), (*OTHER, BLUE))
    embedding = colours.sam.embed(image)
    shown = [box_mask(*FIRST)]

    found = similar_instances(colours, image, embedding, shown, label="coin", options=BOUNDS)
    again = similar_instances(
        *(colours, image, embedding, shown),
        label="coin",
        options=BOUNDS,
        known=[mask_window(box_mask(*SECOND))],
    )

    assert [one.label for one in found] == ["coin"]
    assert np.array_equal(found[0].mask, box_mask(*SECOND))
    assert again == []


@pytest.mark.parametrize(
    ("points", "positive", "words"),
    [((), (), "none of them"), (((1.0, 1.0),), (False,), "none of them"), (((1.0, 1.0),), (), "1 points")],
)
def test_what_shows_no_thing_is_refused(
    points: tuple[tuple[float, float], ...], positive: tuple[bool, ...], words: str
) -> None:
    with pytest.raises(PromptError, match=words):
        Prompt(points, positive)


def test_a_stroke_on_another_image_is_refused(colours: Models) -> None:
    embedding = colours.sam.embed(drawn((*FIRST, RED)))

    with pytest.raises(MaskSizeError):
        segment_shown(colours.sam, embedding, Prompt(stroke=np.ones((3, 5), np.bool_)))


def test_points_of_a_stroke_are_its_middle_and_its_ends() -> None:
    stroke = np.zeros((3, 9), np.bool_)
    stroke[1, 1:8] = True

    assert spread_points(stroke, 3) == [(4.5, 1.5), (1.5, 1.5), (7.5, 1.5)]
    assert len(spread_points(stroke, 20)) == 7


@pytest.fixture(name="models", scope="module")
def _models(weights: Path, cache_dir: Path) -> Models:
    assert weights.exists()
    return load_models(sam="mobilesam", cache_dir=cache_dir, device="cpu", threads=1)


@pytest.mark.weights
def test_every_way_to_show_a_coin_brings_that_coin(models: Models) -> None:
    """A click, a click with one beside it, a rough box, and a stroke through the middle."""
    image, masks = coins_image(), coin_masks()
    embedding = models.sam.embed(image)
    for mask in masks[::5]:
        rows, columns = np.nonzero(mask)
        y, x = rows.mean(), columns.mean()
        stroke = np.zeros_like(mask)
        stroke[int(y) - 1 : int(y) + 2, int(x) - 8 : int(x) + 9] = True
        prompts = [
            Prompt([(x, y)], [True]),
            Prompt([(x, y), (columns.min() - 6.0, y)], [True, False]),
            Prompt(box_xyxy=(columns.min() - 2, rows.min() - 3, columns.max() + 4, rows.max() + 3)),
            Prompt(stroke=stroke),
        ]
        found = [segment_shown(models.sam, embedding, prompt).mask for prompt in prompts]

        assert min(matched_ious([each], [mask])[0] for each in found) > 0.9


@pytest.mark.weights
def test_one_click_brings_all_coins(models: Models) -> None:
    image, masks = coins_image(), coin_masks()
    embedding = models.sam.embed(image)
    rows, columns = np.nonzero(masks[3])
    shown = segment_shown(models.sam, embedding, Prompt([(columns.mean(), rows.mean())], [True])).mask

    found = similar_instances(models, image, embedding, [shown], label="coin", options=SearchOptions())

    assert len(found) == len(masks) - 1
    assert min(matched_ious([one.mask for one in found], [*masks[:3], *masks[4:]])) > 0.8
