"""Views: windows that together show all of an image, and whole every small thing in it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.vision.views import ENOUGH_CELLS, OVERLAP, View, scale_for, view_around, views

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
SCALES = st.integers(1, 5)


@given(SIZES, SCALES)
def test_every_pixel_is_shown(size_hw: tuple[int, int], scale: int) -> None:
    """Also where an image has fewer pixels than there are windows to be."""
    seen = np.zeros(size_hw, dtype=np.bool_)

    for view in views(size_hw, scale):
        seen[view.top : view.top + view.size_hw[0], view.left : view.left + view.size_hw[1]] = True

    assert seen.all()


@given(SIZES, SCALES)
def test_all_windows_have_one_size_and_lie_in_the_image(size_hw: tuple[int, int], scale: int) -> None:
    """A thing then has the same size in cells in each of them."""
    found = views(size_hw, scale)

    assert len({view.size_hw for view in found}) == 1
    assert len(found) == len(set(found)) <= scale**2
    assert all(view.cut(np.zeros(size_hw)).shape == view.size_hw for view in found)


@given(st.tuples(st.integers(1, 200), st.integers(1, 200)), SCALES)
def test_what_is_smaller_than_the_overlap_lies_whole_in_one_window(
    size_hw: tuple[int, int], scale: int
) -> None:
    """Wherever it is along either axis: what the border of one window cuts lies whole in the next."""
    height, width = (max(1, int(side * OVERLAP / scale)) for side in size_hw)
    places = [(top, 0) for top in range(size_hw[0] - height + 1)]
    places += [(0, left) for left in range(size_hw[1] - width + 1)]

    found = views(size_hw, scale)

    for top, left in places:
        assert any(
            view.top <= top <= view.top + view.size_hw[0] - height
            and view.left <= left <= view.left + view.size_hw[1] - width
            for view in found
        )


@given(SIZES)
def test_at_scale_one_the_image_is_its_only_view(size_hw: tuple[int, int]) -> None:
    """Nothing is cut, and nothing copied."""
    image = np.zeros((*size_hw, 3), dtype=np.uint8)

    (view,) = views(size_hw, 1)

    assert view.whole
    assert np.shares_memory(view.cut(image), image)
    assert not any(view.inner_edges)


def test_a_window_cuts_the_same_part_of_an_image_and_of_a_mask() -> None:
    """Rows 1 and 2, columns 2 to 4 of 3 x 5: rows and columns must not be swapped."""
    view = View(1, 2, (2, 3), (3, 5))
    mask = np.arange(15).reshape(3, 5) % 2 == 0
    image = np.stack([mask.astype(np.uint8)] * 3, axis=-1)

    assert view.cut(mask).tolist() == [[False, True, False], [True, False, True]]
    assert np.array_equal(view.cut(image)[..., 0], view.cut(mask))


@pytest.mark.parametrize(
    ("view", "edges"),
    [
        (View(0, 1, (2, 4), (3, 5)), (False, True, True, False)),
        (View(1, 0, (2, 4), (3, 5)), (True, False, False, True)),
        (View(0, 1, (3, 2), (3, 5)), (False, False, True, True)),
    ],
)
def test_inner_edges_are_those_beyond_which_the_image_goes_on(
    view: View, edges: tuple[bool, bool, bool, bool]
) -> None:
    """Top, bottom, left, right."""
    assert view.inner_edges == edges


@given(SIZES, SCALES, st.data())
def test_a_window_around_an_object_shows_its_middle(
    size_hw: tuple[int, int], scale: int, data: st.DataObject
) -> None:
    """Inside the image, as large as the windows that the search looks through."""
    rows, columns = (sorted(data.draw(st.tuples(*[st.integers(0, side - 1)] * 2))) for side in size_hw)
    mask = np.zeros(size_hw, dtype=np.bool_)
    mask[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = True
    middle = np.zeros(size_hw, dtype=np.bool_)
    middle[sum(rows) // 2, sum(columns) // 2] = True

    view = view_around(mask, scale)

    assert view.size_hw == views(size_hw, scale)[0].size_hw == view.cut(mask).shape
    assert view.cut(middle).any()


def test_a_small_object_lies_in_the_middle_of_its_window() -> None:
    """One pixel far from all edges: as much of the ground on every side as on the opposite one."""
    mask = np.zeros((60, 100), dtype=np.bool_)
    mask[30, 45] = True

    rows, columns = np.nonzero(view_around(mask, 4).cut(mask))

    height, width = view_around(mask, 4).size_hw
    assert abs(int(rows[0]) - height // 2) <= 1
    assert abs(int(columns[0]) - width // 2) <= 1


@given(st.floats(0, 5000))
def test_enough_windows_show_the_thing_well(cells: float) -> None:
    """As near to enough cells along a side as a whole number of windows comes; a large thing needs one."""
    scale = scale_for(cells)

    side = math.sqrt(max(cells, 1e-3))
    assert scale == 1 or abs(scale * side - ENOUGH_CELLS) <= side / 2 + 1e-6
    assert scale_for(cells + 1) <= scale
    assert scale_for(ENOUGH_CELLS**2) == 1


def test_a_window_shows_an_object_in_pieces() -> None:
    """An object and a slip of the brush far away: the middle of their box shows neither."""
    mask = np.zeros((60, 100), dtype=np.bool_)
    mask[2:10, 2:10] = mask[58, 98] = True

    assert view_around(mask, 3).cut(mask).sum() == 64


@given(arrays(np.bool_, SIZES).filter(np.any), SCALES)
def test_a_window_around_a_mask_shows_some_of_it(mask: NDArray[np.bool_], scale: int) -> None:
    """Whatever its pieces are."""
    assert view_around(mask, scale).cut(mask).any()


def test_a_ring_lies_whole_in_its_window() -> None:
    """Its middle is empty, and still the place to look from."""
    mask = np.zeros((60, 100), dtype=np.bool_)
    mask[20:40, 40:60] = True
    mask[22:38, 42:58] = False

    assert view_around(mask, 3).cut(mask).sum() == mask.sum()


def test_a_wide_image_has_a_row_of_square_tiles() -> None:
    """Tiles as flat as the image would overlap by less than an object is high."""
    found = views((64, 256), 3)

    assert [(one.top, one.left, one.size_hw) for one in found] == [
        (0, 0, (64, 107)),
        (0, 74, (64, 107)),
        (0, 149, (64, 107)),
    ]
