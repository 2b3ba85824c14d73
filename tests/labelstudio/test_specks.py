"""Parts of a mask that are too small to be meant."""

import numpy as np
import pytest

from backend.labelstudio.specks import without_specks


@pytest.mark.parametrize(("pixels", "kept"), [(9, False), (10, True)])
def test_a_part_of_less_than_a_hundredth_of_the_largest_one_is_a_speck(pixels: int, kept: bool) -> None:
    """The largest one has 20 x 50 pixels."""
    mask = np.zeros((40, 70), bool)
    mask[5:25, 10:60] = True
    thing = mask.copy()
    mask[30, 2 : 2 + pixels] = True

    assert np.array_equal(without_specks(mask), mask if kept else thing)


@pytest.mark.parametrize(("pixels", "kept"), [(3, False), (4, True)])
def test_what_has_fewer_than_four_pixels_is_one_beside_the_smallest_thing(pixels: int, kept: bool) -> None:
    mask = np.zeros((9, 12), bool)
    mask[1:3, 1:5] = True
    thing = mask.copy()
    mask[6, 7 : 7 + pixels] = True

    assert np.array_equal(without_specks(mask), mask if kept else thing)


def test_a_thing_of_fewer_pixels_and_no_thing_are_left_as_they_are() -> None:
    """Whether such a thing is worth a region is not decided here."""
    alone, nothing = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    alone[2, 3:5] = True

    assert np.array_equal(without_specks(alone), alone)
    assert not without_specks(nothing).any()


def test_pixels_that_touch_at_a_corner_are_one_part() -> None:
    """So a thin slanting line is no row of specks."""
    assert np.array_equal(without_specks(np.eye(30, dtype=bool)), np.eye(30, dtype=bool))
