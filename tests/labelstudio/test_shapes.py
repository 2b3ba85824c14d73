"""Shapes on images of 4 rows and 6 columns, and on any."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio.shapes import (
    bounding_rectangle,
    ellipse_mask,
    fitted_ellipse,
    polygon_mask,
    rectangle_mask,
)

SIZE = (4, 6)


def polygon(*points: tuple[float, float]) -> Any:
    return polygon_mask(np.array(points, np.float64), SIZE).astype(int).tolist()


def test_a_pixel_is_inside_when_its_middle_is() -> None:
    """From x 0.6 to 3.4 and y 1 to 3: the middles at 1.5 and 2.5, and the rows 1 and 2."""
    assert polygon((0.6, 1), (3.4, 1), (3.4, 3), (0.6, 3)) == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_a_triangle_is_filled_whichever_way_it_runs() -> None:
    expected = [
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0],
    ]

    assert polygon((0, 0), (5.9, 0), (0, 4)) == expected
    assert polygon((0, 4), (5.9, 0), (0, 0)) == expected


def test_what_lies_outside_of_the_image_is_cut_off() -> None:
    assert polygon((-9, -9), (2, -9), (2, 2), (-9, 2)) == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert not np.any(polygon((7, 0), (9, 0), (9, 3)))
    assert not np.any(polygon((0, 5), (6, 5), (3, 9)))


@given(st.lists(st.tuples(st.floats(-1, 7), st.floats(-1, 5)), min_size=2, max_size=5))
def test_lines_there_and_back_hold_nothing(points: list[tuple[float, float]]) -> None:
    assert not np.any(polygon(*points, *points[-2:0:-1]))


def test_a_line_through_the_middle_of_a_pixel_holds_nothing_there_and_back() -> None:
    """To the hole of a mask of 9 x 21 pixels, its coordinates rounded as Label Studio keeps them."""
    there, back = (0.0, 9.0), (21 * 0.142857, 9 * 0.666667)

    assert not polygon_mask(np.array([there, back, there]), (9, 21)).any()


@pytest.mark.parametrize("points", [(), ((1, 1),), ((0, 0), (6, 4))])
def test_fewer_than_three_corners_hold_nothing(points: tuple[tuple[float, float], ...]) -> None:
    assert not polygon_mask(np.array(points, np.float64).reshape(-1, 2), SIZE).any()


def test_a_part_that_is_run_around_twice_is_inside_and_a_ring_the_other_way_is_a_hole() -> None:
    """The nonzero rule, as the editor's canvas fills."""
    outer = [(0, 0), (6, 0), (6, 4), (0, 4), (0, 0)]
    inner = [(2, 1), (4, 1), (4, 3), (2, 3), (2, 1)]

    assert np.all(polygon(*outer, *inner))
    assert polygon(*outer, *inner[::-1]) == [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]


def test_a_rectangle_turns_clockwise_around_its_upper_left_corner() -> None:
    """2 wide and 3 high at (5, 1): a quarter turn lays it to the left, 3 wide and 2 high."""
    upright = rectangle_mask((1, 0), (2, 3), 0, SIZE)
    turned = rectangle_mask((5, 1), (2, 3), 90, SIZE)

    assert bounding_rectangle(upright) == (1, 0, 2, 3)
    assert bounding_rectangle(turned) == (2, 1, 3, 2)
    assert (upright.sum(), turned.sum()) == (6, 6)


def test_an_ellipse_holds_the_middles_within_its_radii() -> None:
    assert ellipse_mask((3, 2), (2.6, 1.6), 0, SIZE).astype(int).tolist() == [
        [0, 0, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 0, 0],
    ]
    assert not ellipse_mask((3, 2), (0, 1), 0, SIZE).any()


def test_an_ellipse_turns_clockwise_around_its_middle() -> None:
    """By 45 degrees the long axis points right and down."""
    mask = ellipse_mask((10, 10), (8, 2), 45, (20, 30))

    assert mask[14, 14]
    assert mask[5, 5]
    assert not mask[5, 14]


@given(
    centre=st.tuples(st.floats(30, 50), st.floats(25, 35)),
    long=st.floats(9, 20),
    share=st.floats(0.3, 0.7),
    rotation=st.floats(0, 359),
)
def test_an_ellipse_is_fitted_back(
    centre: tuple[float, float], long: float, share: float, rotation: float
) -> None:
    mask = ellipse_mask(centre, (long, long * share), rotation, (60, 80))

    again = ellipse_mask(*fitted_ellipse(mask), (60, 80))

    assert (mask & again).sum() / (mask | again).sum() > 0.9


def test_a_fitted_ellipse_is_turned_by_at_most_45_degrees_and_not_without_need() -> None:
    """The box of 2 x 6 pixels at (1, 1): spread of 6 and 2 pixels, and radii of that over the root of 3."""
    mask = np.zeros((10, 7), bool)
    mask[1:7, 1:3] = True

    centre, radii, rotation = fitted_ellipse(mask)

    assert (centre, rotation) == ((2, 4), 0)
    assert radii == pytest.approx((2 / 3**0.5, 6 / 3**0.5))
    for turn in range(0, 180, 10):
        _, _, rotation = fitted_ellipse(ellipse_mask((40, 30), (20, 8), turn, (60, 80)))
        assert min(rotation, 360 - rotation) <= 45.001
