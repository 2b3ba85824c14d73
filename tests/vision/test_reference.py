"""References, and the masks that people and programs hand in."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.errors import EmptyReferenceMaskError, MaskSizeError
from backend.vision.prototype import Prototype
from backend.vision.reference import (
    Reference,
    build_reference,
    location_levels,
    reference_mask,
)
from backend.vision.sam import Sam, to_grid
from backend.vision.semantics import CropEncoder
from backend.vision.views import MAX_TILES, view_around
from tests.tiny_sam import CHANNELS, INPUT_SIZE, SIDE, tiny_sam, tiny_sam_model

SIZE = (38, 64)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
ENCODER = CropEncoder(lambda pixels: pixels, input_size=32)


def square(top: int = 8, left: int = 40, side: int = 12) -> NDArray[np.bool_]:
    """A mask of the image's size."""
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


def built(
    *masks: NDArray[np.generic], image: NDArray[np.uint8] = IMAGE, max_tiles: int = MAX_TILES
) -> Reference:
    """A reference from the tiny SAM."""
    paint: Any = masks  # of any dtype, as people and programs hand it in
    return build_reference(tiny_sam(), ENCODER, image, paint, label="coin", max_tiles=max_tiles)


def refuse(pixels: Tensor) -> Tensor:
    """Stand for an image encoder that must not be called."""
    raise AssertionError(f"an image was encoded: {tuple(pixels.shape)}")


def weak(prototype: Prototype, *, yes: bool) -> Prototype:
    """The same prototype, weak or not."""
    looks = [replace(look, semantic=replace(look.semantic, weak=yes)) for look in prototype.looks]
    return replace(prototype, looks=tuple(looks))


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
    assert reference.whole.cells == pytest.approx(1 / 64, rel=0.1)


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
    assert len(both.whole.looks) == 2


def test_an_object_that_fills_the_image_has_a_reference() -> None:
    """There is no ground to compare with."""
    reference = built(np.ones(SIZE, dtype=np.bool_))

    assert reference.location.ground <= reference.location.least <= reference.location.thing
    assert (reference.tiles, reference.wanted_scale) == ((), 1)


def test_an_object_that_the_whole_image_shows_well_needs_no_tiles() -> None:
    """Nearly five by five of eight by eight cells."""
    reference = built(square(top=0, left=0, side=38))

    assert (reference.tiles, reference.wanted_scale) == ((), 1)
    assert reference.closest == (reference.whole,)


def test_a_small_object_is_shown_by_a_tile_around_it() -> None:
    """It spans as many more cells as the tile has fewer pixels along its longest side."""
    mask = square()

    reference = built(mask)

    (tile,) = reference.tiles
    (_, width) = view_around(mask, tile.scale).size_hw
    assert tile.cells == pytest.approx(reference.whole.cells * (SIZE[1] / width) ** 2, rel=0.05)
    assert reference.closest == reference.tiles
    assert reference.whole.scale == 1 < tile.scale


@pytest.mark.parametrize(("max_tiles", "scale"), [(0, 1), (1, 1), (3, 1), (4, 2), (8, 2), (9, 3)])
def test_tiles_are_no_more_than_the_bound_and_the_wish_is_told(max_tiles: int, scale: int) -> None:
    """Two by two cells would need three tiles along a side; a bound may leave only the image as a whole."""
    reference = built(square(side=16), max_tiles=max_tiles)

    assert [tile.scale for tile in reference.tiles] == ([scale] if scale > 1 else [])
    assert [one.scale for one in reference.closest] == [scale]
    assert reference.wanted_scale == 3


def test_objects_side_by_side_share_a_tile() -> None:
    """Two looks, and neither is the other's background."""
    near = built(square(left=40, side=6), square(left=48, side=6))

    (tile,) = near.tiles
    assert len(tile.looks) == 2


def test_objects_far_apart_have_a_tile_each() -> None:
    """And a look each, in the whole image, too; a third shares the tile of the first."""
    far = built(square(top=0, left=0, side=6), square(top=30, left=56, side=6), square(top=0, left=8, side=6))

    assert [len(tile.looks) for tile in far.tiles] == [2, 1]
    assert len(far.whole.looks) == 3
    assert far.wanted_scale == built(square(top=0, left=0, side=6)).wanted_scale


def test_a_slip_of_the_brush_far_away_does_not_hide_a_small_object() -> None:
    """The tile shows the object, not the empty middle between the two."""
    reference = built(square(top=2, left=2, side=8) | square(top=36, left=62, side=1))

    (tile,) = reference.tiles
    assert tile.cells > reference.whole.cells


def test_what_is_annotated_is_no_ground_in_any_tile() -> None:
    """Three red squares on blue: the tile of the third shows the second, which the first tile measured."""
    image = np.full((*SIZE, 3), (20, 20, 250), dtype=np.uint8)
    thirds = [square(top=4, left=left, side=6) for left in (4, 14, 26)]
    image[np.logical_or.reduce(thirds)] = (250, 20, 20)

    reference = built(*thirds, image=image)

    assert [len(tile.looks) for tile in reference.tiles] == [2, 1]
    first, second = (tile.location.semantic.deviation for tile in reference.tiles)
    assert second == pytest.approx(first, rel=0.5)


def test_a_large_object_beside_a_small_one_is_measured_too() -> None:
    """Larger than the tiles that their mean asks for: a tile shows its middle."""
    large, small = square(top=0, left=0, side=26), square(top=34, left=60, side=2)

    both = built(large, small)

    assert [len(tile.looks) for tile in both.tiles] == [1, 1]
    assert both.tiles[0].cells > both.tiles[1].cells


@pytest.mark.parametrize("size", [(1, 3), (3, 1), (2, 2), (300, 4)])
def test_an_image_of_few_pixels_has_a_reference(size: tuple[int, int]) -> None:
    """One painted pixel, and fewer pixels than tiles along a side."""
    mask = np.zeros(size, dtype=np.bool_)
    mask[-1, -1] = True

    reference = built(mask, image=np.full((*size, 3), 90, dtype=np.uint8))

    assert all(torch.isfinite(look.semantic.vector).all() for one in reference.closest for look in one.looks)


def test_it_is_weak_where_no_prototype_that_shows_it_best_tells_it() -> None:
    """What the whole image says of a small object does not matter."""
    far = built(square(top=0, left=0, side=6), square(top=30, left=56, side=6))
    first, second = far.tiles
    tiles = weak(first, yes=True), weak(second, yes=False)

    assert not replace(far, whole=weak(far.whole, yes=True), tiles=tiles).weak
    assert replace(far, whole=weak(far.whole, yes=False), tiles=(tiles[0], tiles[0])).weak
    assert replace(far, whole=weak(far.whole, yes=True), tiles=()).weak


def test_an_embedding_at_hand_is_not_made_again() -> None:
    """A caller may have it already; a SAM that cannot see is enough then."""
    mask, blind = square(top=0, left=0, side=38), Sam(tiny_sam_model(), refuse, input_size=INPUT_SIZE)

    reference = build_reference(
        blind, ENCODER, IMAGE, [mask], label="coin", embedding=tiny_sam().embed(IMAGE)
    )

    assert torch.equal(reference.target, built(mask).target)


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


def test_the_weights_of_persam_f_are_fitted_only_where_they_are_wanted() -> None:
    """What else a reference says is the same without."""
    fitted, plain = (
        build_reference(tiny_sam(), ENCODER, IMAGE, [square()], label="coin", fine_tuned=each)
        for each in (True, False)
    )

    assert fitted.mask_weights is not None
    assert fitted.mask_weights.sum().item() == pytest.approx(1)
    assert plain.mask_weights is None
    assert torch.equal(fitted.target, plain.target)
