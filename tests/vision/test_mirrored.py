"""Where the things of a reviewed image lie, in mirrors, too; on images of 40 x 64 pixels, 4 to a cell."""

import numpy as np
import pytest

from backend.vision.mirrored import MIRRORED_VIEWS, MIRRORS, placed_of, turned
from backend.vision.pipeline import Models
from backend.vision.reviewed import Reviewed
from backend.vision.views import views
from tests.colour_sam import BLUE, RED, ColourSam, box_mask, colour_models, drawn


def counting_models() -> tuple[Models, ColourSam]:
    """Both networks, and SAM once more for its counts."""
    sam = ColourSam()
    return Models(sam, colour_models().semantic), sam


def reviewed() -> Reviewed:
    """Two dates, a fig, and a date without a pixel."""
    masks = {
        "date": (box_mask(8, 8, 8, 12), box_mask(24, 40, 8, 8), box_mask(0, 0, 0, 0)),
        "fig": (box_mask(4, 40, 8, 8),),
    }
    return Reviewed(drawn((8, 8, 8, 12, RED), (24, 40, 8, 8, RED), (4, 40, 8, 8, BLUE)), masks)


def test_a_mirrored_thing_lies_on_the_other_side_of_its_cells() -> None:
    """Columns 8 to 20 are cells 2 to 4 and a quarter of the next on their right; mirrored, on their left."""
    models, _ = counting_models()
    review = Reviewed(drawn((8, 8, 8, 13, RED)), {"date": (box_mask(8, 8, 8, 13),)})

    found = placed_of(models, [1], review, ["date"], mirrored=True)["date"]

    away = [float(one.targets[:, 0].mean()) * np.sqrt(2 * 3.25) for one in found]
    assert [len(one.targets) for one in found] == [6] * 4
    assert away == pytest.approx([-0.125 if 1 in axes else 0.125 for axes in ((), *MIRRORS)])


def test_a_mirrored_thing_is_as_large_and_covers_as_many_cells() -> None:
    """Each of four times."""
    models, _ = counting_models()

    plain, all_four = (
        placed_of(models, [1], reviewed(), ["date"], mirrored=one)["date"] for one in (False, True)
    )

    assert len(plain) == 2
    assert len(all_four) == 2 * (1 + len(MIRRORS))
    assert sorted(len(one.targets) for one in all_four) == [4] * 4 + [6] * 4
    for size in (4, 6):
        sides = {round(float(one.targets[0, 2]), 3) for one in all_four if len(one.targets) == size}
        assert len(sides) == 1


def test_each_label_has_its_own_things() -> None:
    models, _ = counting_models()

    found = placed_of(models, [1], reviewed(), ["date", "fig", "nut"], mirrored=True)

    assert {label: len(some) for label, some in found.items()} == {"date": 8, "fig": 4, "nut": 0}


def test_only_views_that_show_a_thing_whole_are_looked_at_and_few_of_them_in_mirrors() -> None:
    """Tiles overlap: a thing may lie whole in several of them."""
    models, sam = counting_models()
    tiles = views((40, 64), 4)
    dates = [mask for mask in reviewed().masks["date"] if mask.any()]
    whole = [tile for tile in tiles if any(tile.cut(mask).sum() == mask.sum() for mask in dates)]

    placed_of(models, [4], reviewed(), ["date"], mirrored=True)

    assert MIRRORED_VIEWS <= len(whole) < len(tiles)
    assert sam.encoded == len(whole) + MIRRORED_VIEWS * len(MIRRORS)


def test_an_embedding_that_is_known_is_not_computed_again() -> None:
    """That of the image as it is."""
    models, sam = counting_models()
    review = reviewed()
    known = Reviewed(review.image, review.masks, embedding=colour_models().sam.embed(review.image))

    placed_of(models, [1], known, ["date"], mirrored=True)

    assert sam.encoded == len(MIRRORS)


def test_pixels_are_turned_about_their_axes() -> None:
    """Of 40 x 64 pixels, row 1 and column 2 become row 38 and column 61."""
    mask = box_mask(1, 2, 1, 1)

    places = [np.argwhere(turned(mask, axes)).tolist() for axes in ((), *MIRRORS)]

    assert places == [[[1, 2]], [[1, 61]], [[38, 2]], [[38, 61]]]
