"""Outlines are moved to where people see the edge, on images drawn by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.vision.edge_regression import (
    PIXELS,
    Corrected,
    EdgeRegression,
    corrected,
    regressed,
)
from backend.vision.errors import LearnedError
from backend.vision.rim import FEATURES, MEANS, Mask, Pixels, rim_of

SIDE = 64  # of the low-resolution square; the image fills 48 rows of it
SHOWN = (48, 64)


def others(*outlines: Mask) -> Callable[[Tensor], Tensor]:
    """Other outlines of a thing, whatever was found of it."""
    given = torch.from_numpy(np.stack(outlines)) if outlines else torch.zeros(0, SIDE, SIDE).bool()
    return lambda _: given


NONE = others()


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


def outlined(true: Mask, *found: Mask) -> Corrected:
    """A thing, and the outlines that were found of it."""
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
    moved = edges.drawn(logits, NONE, painted(OTHER))

    assert np.array_equal((moved > 0).numpy(), OTHER)
    assert outlined(OTHER, OTHER_LARGE).iou() == pytest.approx(144 / 260)
    assert outlined(OTHER, OTHER_LARGE).iou(edges) == 1


def test_far_from_an_outline_nothing_is_a_part_of_the_thing() -> None:
    """And what came in is not written to."""
    edges = regressed([outlined(TRUE, LARGE)])
    assert edges is not None
    logits = torch.from_numpy(LARGE).float() * 20 - 10
    before = logits.clone()

    moved = edges.drawn(logits, NONE, painted(TRUE))

    rim = rim_of(LARGE, painted(TRUE))
    assert rim is not None
    assert (rim.rows, rim.columns) == (slice(0, 24 + 14), slice(18 - 14, 40 + 14))
    far = torch.ones_like(logits, dtype=torch.bool)
    far[rim.rows, rim.columns] = False
    assert set(moved[far].tolist()) == {-1}
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
        moved = edges.drawn(logits, NONE, seen + change)
        assert np.array_equal((moved > 0).numpy(), TRUE) == moves
        assert (moved is logits) != moves


def test_an_outline_is_mended_by_what_things_with_right_ones_have_taught() -> None:
    """Each thing is shown with outlines that are too small and too large, besides the one that was found."""
    edges = regressed([outlined(TRUE, TRUE), outlined(box(30, 8, 7, 14), box(30, 8, 7, 14))])
    assert edges is not None

    wrong = outlined(OTHER, box(25, 29, 11, 18))  # a pixel too large all around

    assert wrong.iou() == pytest.approx(144 / 198)
    assert wrong.iou(edges) >= 0.95


HALF = box(26, 30, 9, 8)  # the left half of the other thing: its right edge is beyond the band


def taught() -> EdgeRegression:
    """By a thing with a right outline, one of which half was found, and one that was drawn too large."""
    right, half = outlined(TRUE, TRUE), outlined(box(30, 8, 7, 14), box(30, 8, 7, 7))
    edges = regressed([right, half, outlined(OTHER, OTHER_LARGE)])
    assert edges is not None
    return edges


def test_of_several_outlines_the_surest_is_moved() -> None:
    """By half of a thing, and by one that is a pixel too large: alone the half stays wrong."""
    half = torch.from_numpy(HALF).float() * 20 - 10
    larger = box(25, 29, 11, 18)

    alone = taught().drawn(half, NONE, painted(OTHER))
    together = taught().drawn(half, others(larger), painted(OTHER))

    assert outlined(OTHER, HALF).iou() == 0.5
    assert outlined(OTHER, HALF).iou(taught()) < 0.9
    assert outlined(OTHER, HALF, larger).iou(taught()) >= 0.95
    assert ((alone > 0).numpy() ^ OTHER).sum() >= 0.1 * OTHER.sum()
    assert ((together > 0).numpy() ^ OTHER).sum() <= 0.05 * OTHER.sum()


def test_a_right_outline_stays_whatever_others_there_are() -> None:
    """Half of the thing, all of the image, and nothing at all."""
    all_of_it, nothing = box(0, 0, *SHOWN), box(0, 0, 0, 0)
    logits = torch.from_numpy(OTHER).float() * 20 - 10

    moved = taught().drawn(logits, others(HALF, all_of_it, nothing), painted(OTHER))

    assert ((moved > 0).numpy() ^ OTHER).sum() <= 0.05 * OTHER.sum()


def test_where_the_found_outline_has_other_colours_no_other_outline_is_taken() -> None:
    """A thing that is much darker than all that taught: SAM is not even asked."""

    def fail(_: Tensor) -> Tensor:
        raise AssertionError("asked")

    colours = painted(OTHER) - OTHER[: SHOWN[0], : SHOWN[1], None] * np.array([30.0, 0, 0])
    logits = torch.from_numpy(OTHER).float() * 20 - 10

    assert taught().drawn(logits, others(OTHER_LARGE), colours) is logits
    assert taught().drawn(logits, fail, colours) is logits


def test_in_their_window_outlines_are_told_as_in_the_image() -> None:
    """What is kept of a corrected thing reaches as far as what is blurred does."""
    whole = taught().surest([LARGE, TRUE], painted(TRUE))
    one = outlined(TRUE, LARGE, TRUE)
    window = taught().surest(one.outlines, one.colours)

    assert whole is not None
    assert window is not None
    assert np.array_equal(whole.rim.inside, window.rim.inside)
    assert window.sure == pytest.approx(whole.sure, abs=1e-4)
    assert window.certainty == pytest.approx(whole.certainty, abs=1e-4)


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

    rim = rim_of(large, painted(large))
    assert rim is not None
    assert int(rim.band.sum()) > 1000
    assert all(PIXELS // 2 <= len(sample.true) <= PIXELS for sample in one.samples)


def test_where_nothing_tells_the_edge_an_outline_stays() -> None:
    """Of grain alone, and where it was right: but for two pixels of 144."""
    plain = painted()
    one = corrected([TRUE], TRUE, plain)
    assert one is not None
    edges = regressed([one])
    assert edges is not None
    logits = torch.from_numpy(OTHER).float() * 20 - 10

    assert ((edges.drawn(logits, NONE, plain) > 0).numpy() ^ OTHER).sum() <= 2
    assert regressed([]) is None


@pytest.mark.parametrize("mask", [box(0, 0, 0, 0), box(0, 0, 48, 64), box(50, 10, 5, 5)])
def test_what_has_no_outline_in_the_image_stays(mask: Mask) -> None:
    """Nothing, all of the image, and what is padding."""
    edges = saying(1.0)
    logits = torch.from_numpy(mask).float() - 0.5

    assert rim_of(mask, painted()) is None
    assert edges.drawn(logits, NONE, painted()) is logits


def test_a_thing_is_not_moved_away() -> None:
    """A speck lies in its band with all of it."""
    nothing = saying(-1.0)
    logits = torch.from_numpy(box(10, 10, 3, 3)).float() - 0.5

    assert nothing.drawn(logits, NONE, painted()) is logits


def test_what_lies_beyond_the_window_counts() -> None:
    """A thing of 30 rows of which the outline has found six: 6 of 30."""
    true, found = box(2, 20, 30, 10), box(2, 20, 6, 10)

    assert outlined(true, found).iou() == pytest.approx(6 / 30)


def test_another_number_of_weights_is_refused() -> None:
    with pytest.raises(LearnedError, match=r"expected \(37, 6, 6\) numbers, got \(2, 6, 6\); learn anew"):
        EdgeRegression((1.0, 2.0), (0.0,) * MEANS, (0.0,) * MEANS)
