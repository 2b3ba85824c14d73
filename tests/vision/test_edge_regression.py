"""Outlines are moved to where people see the edge, on images drawn by hand."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.vision.edge_regression import (
    BAND,
    FEATURES,
    MEANS,
    PIXELS,
    Corrected,
    EdgeRegression,
    Pixels,
    colours_of,
    corrected,
    regressed,
    rim_of,
)
from backend.vision.errors import LearnedError
from backend.vision.sam import ImageEmbedding

SIDE = 64  # of the low-resolution square; the image fills 48 rows of it
SHOWN = (48, 64)
Mask = NDArray[np.bool_]


def box(top: int, left: int, height: int, width: int) -> Mask:
    """In the low-resolution square."""
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def painted(*things: Mask) -> Pixels:
    """Bright things with some grain on a dark ground, in L*a*b*."""
    light = np.random.default_rng(0).normal(20, 2, (*SHOWN, 3))
    for thing in things:
        light[thing[: SHOWN[0], : SHOWN[1]]] += (50, 0, 0)
    return light


def outlined(true: Mask, found: Mask) -> Corrected:
    """A thing, and the outline that was found of it."""
    one = corrected(found, true, painted(true))
    assert one is not None
    return one


def saying(always: float) -> EdgeRegression:
    """The same of every pixel, whatever the colours."""
    return EdgeRegression((0.0,) * FEATURES + (always,), (-200.0,) * MEANS, (200.0,) * MEANS)


TRUE, LARGE = box(10, 20, 12, 18), box(8, 18, 16, 22)  # two pixels too large all around
OTHER, OTHER_LARGE = box(26, 30, 9, 16), box(24, 28, 13, 20)


def test_what_is_drawn_too_large_is_moved_to_where_people_see_the_edge() -> None:
    """Learned from a larger and a smaller thing, seen on another one."""
    edges = regressed([outlined(TRUE, LARGE), outlined(box(30, 8, 7, 14), box(28, 6, 11, 18))])
    assert edges is not None

    logits = torch.from_numpy(OTHER_LARGE).float() * 20 - 10
    moved = edges.drawn(logits, painted(OTHER))

    assert np.array_equal((moved > 0).numpy(), OTHER)
    assert outlined(OTHER, OTHER_LARGE).iou() == pytest.approx(144 / 260)
    assert outlined(OTHER, OTHER_LARGE).iou(edges) == 1


def test_far_from_an_outline_logits_stay_as_they_are() -> None:
    """And what came in is not written to."""
    edges = regressed([outlined(TRUE, LARGE)])
    assert edges is not None
    logits = torch.from_numpy(LARGE).float() * 20 - 10
    before = logits.clone()

    moved = edges.drawn(logits, painted(TRUE))

    rim = rim_of(LARGE, painted(TRUE))
    assert rim is not None
    assert (rim.rows, rim.columns) == (slice(0, 24 + 14), slice(18 - 14, 40 + 14))
    far = torch.ones_like(logits, dtype=torch.bool)
    far[rim.rows, rim.columns] = False
    assert torch.equal(moved[far], logits[far])
    assert torch.equal(logits, before)
    assert float(moved[~far].abs().max()) == 1


def test_of_colours_that_it_has_not_seen_it_says_nothing() -> None:
    """A thing that is a little brighter is moved, and one that is much darker, or on other ground, is not."""
    edges = regressed([outlined(TRUE, LARGE)])
    assert edges is not None
    logits = torch.from_numpy(LARGE).float() * 20 - 10
    seen = painted(TRUE)
    inside = TRUE[: SHOWN[0], : SHOWN[1], None] * np.array([1.0, 0, 0])

    for change, moves in ((0.5 * inside, True), (-30 * inside, False), (8 * (1 - inside), False)):
        moved = edges.drawn(logits, seen + change)
        assert np.array_equal((moved > 0).numpy(), TRUE) == moves
        assert (moved is logits) != moves


def test_the_band_is_as_wide_on_either_side() -> None:
    """Pixels whose middles lie within three and a half pixels of the outline."""
    rim = rim_of(LARGE, painted(LARGE))
    assert rim is not None
    row = rim.band[15 - rim.rows.start]  # through the middle of the box

    assert BAND == 3.5
    columns = row.nonzero()[0] + rim.columns.start
    assert columns.tolist() == [*range(18 - 4, 18 + 4), *range(40 - 4, 40 + 4)]


def test_an_outline_is_mended_by_what_things_with_right_ones_have_taught() -> None:
    """Each thing is shown with outlines that are too small and too large, besides the one that was found."""
    edges = regressed([outlined(TRUE, TRUE), outlined(box(30, 8, 7, 14), box(30, 8, 7, 14))])
    assert edges is not None

    wrong = outlined(OTHER, box(25, 29, 11, 18))  # a pixel too large all around

    assert wrong.iou() == pytest.approx(144 / 198)
    assert wrong.iou(edges) >= 0.95


def test_a_thing_is_shown_with_three_outlines() -> None:
    """The one that was found, one of 0.88 of its own sides (ten rows of twelve), and one of 1.14."""
    found, smaller, larger = outlined(TRUE, TRUE).samples

    assert found.true.any()
    assert not found.true.all()
    assert smaller.true.mean() > found.true.mean() > larger.true.mean()


def test_of_a_large_thing_as_many_pixels_are_kept_as_there_may_be() -> None:
    """The band of 40 rows and 50 columns, seven pixels wide, has over a thousand."""
    large = box(4, 5, 40, 50)
    one = outlined(large, large)

    assert int(one.rim.band.sum()) > 1000
    assert all(PIXELS // 2 <= len(sample.true) <= PIXELS for sample in one.samples)


def test_where_nothing_tells_the_edge_an_outline_stays() -> None:
    """Of grain alone, and where it was right: but for two pixels of 144."""
    plain = painted()
    one = corrected(TRUE, TRUE, plain)
    assert one is not None
    edges = regressed([one])
    assert edges is not None
    logits = torch.from_numpy(OTHER).float() * 20 - 10

    assert ((edges.drawn(logits, plain) > 0).numpy() ^ OTHER).sum() <= 2
    assert regressed([]) is None


@pytest.mark.parametrize("mask", [box(0, 0, 0, 0), box(0, 0, 48, 64), box(50, 10, 5, 5)])
def test_what_has_no_outline_in_the_image_stays(mask: Mask) -> None:
    """Nothing, all of the image, and what is padding."""
    edges = saying(1.0)
    logits = torch.from_numpy(mask).float() - 0.5

    assert rim_of(mask, painted()) is None
    assert edges.drawn(logits, painted()) is logits


def test_a_thing_is_not_moved_away() -> None:
    """A speck lies in its band with all of it."""
    nothing = saying(-1.0)
    logits = torch.from_numpy(box(10, 10, 3, 3)).float() - 0.5

    assert nothing.drawn(logits, painted()) is logits


def test_what_lies_beyond_the_window_counts() -> None:
    """A thing of 30 rows of which the outline has found six: 6 of 30."""
    true, found = box(2, 20, 30, 10), box(2, 20, 6, 10)

    assert outlined(true, found).iou() == pytest.approx(6 / 30)


def test_at_the_image_edge_there_is_an_outline_on_the_other_sides() -> None:
    """A mask that the image cuts off has none where it is cut off: the square's rest is no image."""
    rim = rim_of(box(40, 20, 20, 12), painted())

    assert rim is not None
    assert rim.inside.shape[0] == SHOWN[0] - (40 - 14)
    assert not rim.band[-1, 26 - rim.columns.start]


def test_colours_are_those_of_the_image_in_low_resolution() -> None:
    """Of 4:3: white above black is 100 above 0, and no row of padding is there."""
    embedding = ImageEmbedding(torch.zeros(8, 16, 16), (96, 128), (48, 64), 64)
    window = np.zeros((96, 128, 3), dtype=np.uint8)
    window[:40] = 255

    colours = colours_of(window, embedding)

    assert colours.shape == (*SHOWN, 3)
    assert colours[:18, :, 0] == pytest.approx(100, abs=0.1)
    assert colours[22:, :, 0] == pytest.approx(0, abs=0.1)


def test_another_number_of_weights_is_refused() -> None:
    with pytest.raises(LearnedError, match=r"expected \(37, 6, 6\) numbers, got \(2, 6, 6\); learn anew"):
        EdgeRegression((1.0, 2.0), (0.0,) * MEANS, (0.0,) * MEANS)
