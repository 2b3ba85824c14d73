"""Overlays: what is painted where."""

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.overlays import Mark, draw_marks, instance_colour
from backend.evaluation.page import Shot, page

GREY = np.full((30, 50, 3), 128, dtype=np.uint8)


def box(left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
    """A filled box in 30 x 50."""
    mask = np.zeros((30, 50), dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def test_a_mask_is_tinted_inside_outlined_and_leaves_the_rest_alone() -> None:
    picture = np.asarray(draw_marks(GREY, [Mark(box(10, 5, 30, 25), (255, 0, 0))], longest_side=500))

    assert picture.shape == (300, 500, 3)
    assert picture[150, 200].tolist() == [181, 74, 74]  # 58 % grey, 42 % red
    assert picture[150, 101].tolist() == [255, 0, 0]
    assert picture[150, 450].tolist() == [128, 128, 128]


def test_tags_are_written_on_the_mask_and_an_empty_mask_is_no_trouble() -> None:
    marks = [
        Mark(box(10, 5, 30, 25), (255, 0, 0), ("1 · 0.93", "1")),
        Mark(box(0, 0, 0, 0), (0, 255, 0), ("2",)),
    ]
    bare = np.asarray(draw_marks(GREY, [Mark(marks[0].mask, marks[0].colour)], longest_side=500))

    picture = np.asarray(draw_marks(GREY, marks, longest_side=500))

    rows, columns = np.nonzero((picture != bare).any(axis=2))
    assert 50 < rows.min() < rows.max() < 250
    assert 100 < columns.min() < columns.max() < 300


def test_neighbouring_numbers_have_colours_far_apart() -> None:
    colours = np.array([instance_colour(number) for number in range(30)], dtype=int)

    assert np.abs(np.diff(colours, axis=0)).sum(axis=1).min() > 100


def test_the_page_shows_the_reference_beside_the_overlay() -> None:
    overlay = draw_marks(GREY, [], longest_side=500)

    sheet = page(overlay, [Shot(GREY, (box(0, 0, 9, 9),), "fig")], title="plate.jpg", subtitle="3 figs")
    alone = page(overlay, [], title="plate.jpg")

    assert sheet.width > alone.width > 500
    assert sheet.height == alone.height
    left = np.asarray(sheet)[:, : sheet.width - 536].reshape(-1, 3)
    assert (left == (255, 196, 0)).all(axis=1).any()


def test_many_references_still_fit_the_height() -> None:
    overlay = draw_marks(GREY, [], longest_side=500)
    shots = [Shot(GREY, (box(20, 10, 30, 20),), f"board {number}") for number in range(16)]

    assert page(overlay, shots, title="t").height == page(overlay, [], title="t").height
