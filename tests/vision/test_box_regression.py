"""Where things lie, learned from what their cells look like; on images of 40 x 64 pixels, 4 to a cell."""

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.vision.box_regression import (
    CELLS,
    MOST,
    THINGS,
    BoxRegression,
    Placed,
    looks_of,
    placed,
    regressed,
    share_right,
)
from backend.vision.errors import LearnedError
from backend.vision.sam import ImageEmbedding
from tests.colour_sam import BLUE, RED, box_mask, colour_models, drawn

ONE, OTHER = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])  # what things look like


def thing(look: Tensor, right: float, down: float, side: float, *, cells: int = 1) -> Placed:
    """A thing all of whose cells look alike and tell the same."""
    return Placed(look.expand(cells, 2), torch.tensor([[right, down, np.log(side)]]).expand(cells, 3))


def told(regression: BoxRegression | None, look: Tensor, *, row: int = 5, column: int = 8) -> list[float]:
    """The box for a cell of 4 pixels that looks so, in an image whose other cells look like nothing."""
    assert regression is not None
    looks = torch.zeros(2, 16, 16)
    looks[:, row, column] = look
    embedding = colour_models().sam.embed(drawn())
    return regression.boxes_xyxy(looks, embedding)[row, column].tolist()


def test_looks_tell_how_large_a_thing_is() -> None:
    """Many of 2 cells that look one way, many of 8 that look another; half of each is 4."""
    regression = regressed([thing(ONE, 0, 0, 2), thing(OTHER, 0, 0, 8)] * 50)

    small, between = told(regression, ONE), told(regression, (ONE + OTHER) / 2)

    assert small == pytest.approx([34 - 4, 22 - 4, 34 + 4, 22 + 4], abs=0.2)  # around the middle of the cell
    assert between == pytest.approx([34 - 8, 22 - 8, 34 + 8, 22 + 8], abs=0.2)


def test_looks_tell_where_in_a_thing_a_cell_lies() -> None:
    """The one lies at the left edge of 4 cells, in the upper half; the other at the lower right."""
    regression = regressed([thing(ONE, 0.5, 0.25, 4), thing(OTHER, -0.5, -0.5, 4)] * 50)

    assert told(regression, ONE) == pytest.approx([34, 22 - 4, 34 + 16, 22 + 12], abs=0.3)
    assert told(regression, OTHER) == pytest.approx([34 - 16, 22 - 16, 34, 22], abs=0.3)


def test_a_single_thing_says_that_all_lie_so() -> None:
    """There is nothing yet that looks could tell."""
    regression = regressed([thing(ONE, 0, 0, 3)])

    assert told(regression, ONE) == told(regression, OTHER) == pytest.approx([28, 16, 40, 28], abs=0.01)


def test_each_thing_counts_once_however_many_cells_show_it() -> None:
    """Ten cells of a large thing weigh as much as the one of a small one: 4 is the mean of 2 and 8."""
    regression = regressed([thing(ONE, 0, 0, 2), thing(ONE, 0, 0, 8, cells=10)])

    assert told(regression, ONE) == pytest.approx([26, 14, 42, 30], abs=0.01)


def test_a_box_is_right_where_half_of_the_cells_tell_it() -> None:
    """Squares of 4: the same (IoU 1), one that lies 1 beside (0.6) or 2 beside (0.33), one of 8 (0.25)."""
    regression = BoxRegression((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, float(np.log(4))))
    exact, near, far, large = (
        torch.tensor([[right, 0.0, np.log(side)]]) for right, side in ((0, 4), (0.25, 4), (0.5, 4), (0, 8))
    )
    things = [torch.cat(some) for some in ((exact, near), (near, far), (near, far, large), (large, large))]

    right = [share_right(regression, [Placed(torch.zeros(len(one), 2), one)]) for one in things]

    assert right == [1, 1, 0, 0]
    assert share_right(regression, [Placed(torch.zeros(len(one), 2), one) for one in things]) == 0.5


def test_nothing_is_learned_from_nothing() -> None:
    """No thing lies whole in any view."""
    assert regressed([]) is None


def test_a_box_ends_with_the_image_and_holds_a_pixel() -> None:
    """Whatever looks say: as large as the view; and 80 cells to the right of it."""
    huge, beside = (
        BoxRegression((0.0, 0.0, right), (0.0, 0.0, 0.0), (0.0, 0.0, side))
        for right, side in ((0.0, 10.0), (80.0, 0.0))
    )

    assert told(huge, ONE) == [2, 0, 64, 40]  # 64 pixels around column 34, and around row 22
    assert told(beside, ONE) == [63, 20, 64, 24]


def test_a_regression_of_other_encoders_is_refused() -> None:
    """It says how many numbers these encoders need."""
    other = BoxRegression((1.0,) * 4, (1.0,) * 4, (1.0,) * 4)

    with pytest.raises(LearnedError, match=r"expected 3 numbers, .* got 4, 4 and 4; learn anew"):
        told(other, ONE)


def looked(*boxes: tuple[int, int, int, int, tuple[int, int, int]]) -> tuple[ImageEmbedding, Tensor]:
    """A drawn image as both encoders see it."""
    models, image = colour_models(), drawn(*boxes)
    embedding = models.sam.embed(image)
    return embedding, looks_of(embedding, models.semantic.dense(image, embedding))


def test_a_cell_looks_as_both_encoders_see_it() -> None:
    """A unit vector of each."""
    embedding, looks = looked((8, 8, 16, 12, RED))
    of_sam, of_meaning = looks[: len(embedding.features), 3, 3], looks[len(embedding.features) :, 3, 3]

    assert float(of_sam.norm()) == pytest.approx(1.0)
    assert float(of_meaning.norm()) == pytest.approx(1.0)


def test_things_show_in_their_own_cells() -> None:
    """Of rows 2 to 3 and columns 2 to 4; what covers no cell by half is where most of it lies."""
    embedding, looks = looked((8, 8, 8, 12, RED), (32, 40, 2, 3, BLUE))
    speck, box = placed([box_mask(8, 8, 8, 12), box_mask(32, 40, 2, 3)], embedding, looks)
    side = np.sqrt(2 * 3)
    middles = sorted((round(x * side, 3), round(y * side, 3)) for x, y, _ in box.targets.tolist())

    assert middles == [(x, y) for x in (-1, 0, 1) for y in (-0.5, 0.5)]  # from each of its cells
    assert box.targets[:, 2].tolist() == pytest.approx([np.log(side)] * 6)
    assert {float(one) for one in box.looks[:, 0]} == {float(looks[0, 2, 2].half())}
    assert torch.equal(speck.looks, looks[:, 8, 10][None].half())


def test_what_is_learned_of_a_thing_is_its_box() -> None:
    """12 x 8 pixels are a square of 9.8. In an image of twice the pixels, it is twice as large."""
    embedding, looks = looked((8, 8, 8, 12, RED))
    regression = regressed(list(placed([box_mask(8, 8, 8, 12)], embedding, looks)))
    large = colour_models().sam.embed(drawn(size_hw=(80, 128)))
    assert regression is not None

    boxes = regression.boxes_xyxy(looks, embedding)
    centre = (boxes[..., :2] + boxes[..., 2:])[2:4, 2:5].mean(dim=(0, 1)) / 2
    twice = regression.boxes_xyxy(looks, large)

    assert centre.tolist() == pytest.approx([14, 12], abs=0.1)
    assert (boxes[3, 3, 2:] - boxes[3, 3, :2]).tolist() == pytest.approx([np.sqrt(12 * 8)] * 2, rel=0.01)
    assert twice[3, 3].tolist() == pytest.approx((boxes[3, 3] * 2).tolist())


def test_what_is_kept_of_an_image_is_bounded() -> None:
    """Of many things small and large ones; of a large one some cells from all over it."""
    embedding, looks = looked((0, 0, 40, 64, RED))
    things = [box_mask(0, 0, 40, 64 - number % 8) for number in range(THINGS + 1)]

    found = list(placed(things, embedding, looks))

    assert len(found) == THINGS // 2 + 1
    assert len({float(one.targets[0, 2]) for one in found}) == 8
    assert all(len(one.looks) <= CELLS for one in found)
    assert list(placed([], embedding, looks)) == []


def test_many_things_are_learned_from_as_few() -> None:
    """Every other one of twice as many: those of 2 cells, not those of 8 between them."""
    regression = regressed([thing(ONE, 0, 0, 2), thing(ONE, 0, 0, 8)] * MOST)

    assert told(regression, ONE) == pytest.approx([30, 18, 38, 26], abs=0.01)


def test_what_is_kept_does_not_keep_the_view() -> None:
    """Thousands of numbers a cell, of which a few cells are kept."""
    embedding, looks = looked((8, 8, 16, 12, RED))
    (box,) = placed([box_mask(8, 8, 16, 12)], embedding, looks)

    assert box.looks.untyped_storage().nbytes() < looks.untyped_storage().nbytes()
