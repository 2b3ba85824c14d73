"""References, and the masks that people and programs hand in."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.vision.errors import EmptyReferenceMaskError, MaskSizeError
from backend.vision.reference import (
    Reference,
    build_reference,
    location_levels,
    reference_logits,
    reference_mask,
)
from backend.vision.sam import to_grid
from backend.vision.semantics import CropEncoder
from tests.tiny_sam import CHANNELS, SIDE, tiny_sam

SIZE = (38, 64)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
ENCODER = CropEncoder(lambda pixels: pixels, input_size=32)


def square(top: int = 8, left: int = 40, side: int = 12) -> NDArray[np.bool_]:
    """A mask of the image's size."""
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def built(*masks: NDArray[np.generic], image: NDArray[np.uint8] = IMAGE) -> Reference:
    """A reference from the tiny SAM."""
    return build_reference(tiny_sam(), ENCODER, image, masks, label="coin")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1, 128, 255])
def test_a_mask_may_hold_any_value_that_is_not_zero(value: int) -> None:
    """The published code takes 0/1 masks for empty ones, and answers NaN."""
    expected = built(square())

    reference = built(square().astype(np.uint8) * np.uint8(value))

    assert torch.equal(reference.target, expected.target)
    assert not reference.target.isnan().any()


def test_a_tiny_object_is_a_reference_too() -> None:
    """One pixel of 64, an eighth of a cell: the best-covered cell stands for it."""
    mask = square(side=1)
    embedding = tiny_sam().embed(IMAGE)

    reference = built(mask)

    assert torch.equal(reference.target, embedding.features[:, 1, 5])
    assert reference.cells == pytest.approx(1 / 64, rel=0.1)


def test_an_object_in_a_huge_image_is_a_reference_too() -> None:
    """Far less than a pixel of the mask decoder's answers."""
    mask = np.zeros((1900, 3200), dtype=np.bool_)
    mask[1000, 2000] = True
    embedding = tiny_sam().embed(np.zeros((1900, 3200, 3), dtype=np.uint8))

    assert int((reference_logits(mask, embedding) > 0).sum()) == 1


def test_an_object_on_the_lower_edge_is_not_mixed_with_padding() -> None:
    """Row 37 is the last; the published mask is stretched over the padding, and ends up elsewhere."""
    embedding = tiny_sam().embed(IMAGE)
    coverage = to_grid(square(top=30, left=0, side=8), embedding)

    assert int(coverage.argmax()) // SIDE == 4
    assert not coverage[5:].any()


def test_rows_and_columns_are_not_swapped() -> None:
    """The right half of a wide image."""
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[:, 32:] = True
    embedding = tiny_sam().embed(IMAGE)
    cells = embedding.features[:, :4, 4:].reshape(CHANNELS, -1)
    edge = embedding.features[:, 4, 4:]  # 0.75 of each cell of the fifth row shows the image

    target = built(mask).target

    expected = (cells.sum(dim=1) + 0.75 * edge.sum(dim=1)) / 19
    assert torch.allclose(target, expected, atol=1e-5)


@pytest.mark.parametrize(
    "masks", [[], [np.zeros(SIZE, dtype=np.bool_)], [square(), np.zeros(SIZE, dtype=np.uint8)]]
)
def test_an_empty_mask_is_an_error_that_says_what_to_do(masks: list[NDArray[np.generic]]) -> None:
    """Never NaN; also where only one of several is empty."""
    with pytest.raises(EmptyReferenceMaskError, match="paint the object"):
        built(*masks)


def test_a_mask_of_another_size_is_an_error_with_both_sizes() -> None:
    """Swapped axes are another size, too."""
    with pytest.raises(MaskSizeError, match=r"\(38, 64\).*\(64, 38\).*size of the image"):
        built(square().T)


def test_every_annotated_object_counts() -> None:
    """The target is the mean of both; each has its own semantic side."""
    first, second = square(), square(left=4)

    both = built(first, second)

    assert torch.allclose(both.target, (built(first).target + built(second).target) / 2)
    assert len(both.semantic) == 2


def test_an_object_that_fills_the_image_has_a_reference() -> None:
    """There is no ground to compare with."""
    reference = built(np.ones(SIZE, dtype=np.bool_))

    assert reference.location.ground <= reference.location.least <= reference.location.thing


def test_levels_lie_on_the_object_and_beside_it() -> None:
    """A quarter of what is beside may show more of the things; padding counts for nothing."""
    similarity = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.8, -1.0]])
    coverage = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    valid = torch.tensor([[True, True, True], [True, True, False]])

    levels = location_levels(similarity, coverage, valid)

    assert levels.thing == pytest.approx(0.9)
    assert levels.ground == pytest.approx(0.1)
    assert levels.least == pytest.approx(0.5)


def test_a_checked_mask_is_bool() -> None:
    """Whatever came in."""
    assert reference_mask(square().astype(np.float64), SIZE).dtype == np.bool_
