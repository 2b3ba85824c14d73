"""Curves as SVG: where points lie, and what is written beside them."""

import re
from xml.etree import ElementTree as ET

import pytest

from backend.evaluation.plot import HEIGHT, WIDTH, Axis, Panel, Series, svg

GROWTH = Panel("Time & things", "things", "seconds", (Series("an image", ((1, 2.0), (10, 4.0))),))


def test_equal_ratios_are_equally_far_on_a_logarithmic_axis() -> None:
    axis = Axis(1, 100, 50, 250, logarithmic=True)

    assert [axis.at(value) for value in (1, 10, 100)] == [50, 150, 250]
    assert axis.ticks == [1, 3, 10, 30, 100]


def test_a_plain_axis_has_a_few_round_ticks_from_zero() -> None:
    """Up to 44 in steps of 10; pixels may count downwards."""
    axis = Axis(0, 44, 200, 24, logarithmic=False)

    assert axis.at(11) == 156
    assert axis.ticks == [0, 10, 20, 30, 40]


def test_what_would_be_linear_begins_at_the_first_point() -> None:
    """Ten times the things in ten times the two seconds."""
    assert GROWTH.linear == ((1, 2.0), (10, 20.0))


def test_the_picture_says_what_its_axes_show() -> None:
    root = ET.fromstring(svg([GROWTH, GROWTH]))  # noqa: S314 - our own

    assert (root.get("width"), root.get("height")) == (str(2 * WIDTH), str(HEIGHT))
    written = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Time & things", "things", "seconds", "an image", "linear", "1", "3", "10"} <= set(written)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 4


def test_all_that_is_drawn_lies_in_its_panel() -> None:
    places = re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', svg([GROWTH]))

    assert all(0 < float(x) < WIDTH and 0 < float(y) < HEIGHT for x, y in places)


@pytest.mark.parametrize("points", [(), ((0.0, 1.0),)])
def test_there_is_something_to_draw(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="expected points above 0"):
        Series("nothing", points)
