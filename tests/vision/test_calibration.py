"""What the reference image says about likeness."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.calibration import (
    LEAST_SPAN,
    SemanticReference,
    coarser,
    corners,
    elsewhere,
    lattice,
    least_like,
    quartered,
    semantic_reference,
    turned,
)
from backend.vision.sam import ImageEmbedding, resized_size
from backend.vision.semantics import CropEncoder, SamSemantics
from tests.vision.made_by_hand import embedding


def outline(rows: slice, columns: slice) -> Tensor:
    """Logits of a box."""
    logits = torch.full((16, 16), -0.5)
    logits[rows, columns] = 0.5
    return logits


def picture(thing: tuple[int, int, int], ground: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A striped thing in the middle of plain ground, 32 x 64."""
    image = np.zeros((32, 64, 3), dtype=np.uint8)
    image[:] = ground
    image[8:24, 24:40] = thing
    image[8:24:4, 24:40] = 0
    return image


def test_the_eight_views_of_a_crop_are_all_different() -> None:
    """Four turns, each also mirrored; the first is the crop."""
    pixels = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)

    views = turned(pixels)

    assert torch.equal(views[0], pixels)
    assert len({tuple(view.flatten().tolist()) for view in views}) == 8


def test_a_coarser_crop_keeps_its_size_and_loses_its_detail() -> None:
    """A checkerboard becomes grey."""
    board = torch.tensor([[0, 200], [200, 0]], dtype=torch.uint8).repeat(3, 4, 4)

    coarse = coarser(board, 4)

    assert coarse.shape == board.shape
    assert int(coarse.max()) - int(coarse.min()) < 20


def test_corners_are_enlarged_parts() -> None:
    """The upper left corner of a crop that is bright only there is all bright."""
    pixels = torch.zeros(3, 10, 10, dtype=torch.uint8)
    pixels[:, :6, :6] = 200

    upper_left, _, _, lower_right = corners(pixels)

    assert int(upper_left.min()) == 200
    assert int(lower_right[:, 5:, 5:].max()) == 0


def test_outlines_are_moved_to_where_the_thing_is_not() -> None:
    """All inside the image of 8 x 16 mask pixels, none on the thing, in three sizes."""
    thing = outline(slice(4, 8), slice(4, 8))

    places = elsewhere(thing, embedding(32, 64))

    assert {int((place > 0).sum()) for place in places} == {16, 4, 1}
    assert not any(((place > 0) & (thing > 0)).any() for place in places)
    assert not any((place[8:] > 0).any() for place in places)


def test_a_thing_that_fills_the_image_has_no_ground() -> None:
    """There is nowhere else."""
    assert elsewhere(outline(slice(0, 8), slice(0, 16)), embedding(32, 64)) == []


def test_the_least_similar_places_are_kept() -> None:
    """Places that touch the second thing (the right half) come last."""
    places = [outline(slice(0, 4), slice(left, left + 4)) for left in range(13)]
    similarity = torch.zeros(4, 4)
    similarity[:, 2:] = 0.9

    kept = least_like(places, similarity)

    assert len(kept) == 9
    assert all(any(torch.equal(place, one) for one in kept) for place in places[:5])


def test_a_lattice_spreads_over_the_room() -> None:
    """From end to end; a single offset without room to move; none where the outline is too large."""
    assert lattice(10) == [0, 2, 4, 6, 8, 10]
    assert lattice(0) == [0]
    assert lattice(-1) == []


def test_the_scale_runs_from_the_ground_to_the_thing() -> None:
    """An encoder that sees colour: red stripes on blue."""
    encoder = CropEncoder(lambda pixels: pixels + 1, input_size=32)

    one = semantic_reference(
        encoder, picture((255, 0, 0), (0, 0, 255)), outline(slice(2, 6), slice(6, 10)), embedding(32, 64),
        torch.zeros(4, 4),
    )  # fmt: skip

    ground = torch.tensor([0.0, 0.0, 1.0])
    assert one.ground == pytest.approx(float(ground @ one.vector), abs=0.3)
    assert one.ground < one.itself <= 1
    assert one.relative(torch.tensor([one.ground, one.itself])).tolist() == [0, pytest.approx(1)]
    assert float(one.vector.norm()) == pytest.approx(1)


@pytest.mark.parametrize("itself", [0.7, 0.7 + LEAST_SPAN / 9, 0.6])
def test_a_scale_too_short_to_tell_is_stretched(itself: float) -> None:
    """Where ground and thing are all but the same, rounding must not become likeness."""
    one = SemanticReference(torch.tensor([1.0, 0.0]), ground=0.7, itself=itself, weak=True)

    relative = one.relative(torch.tensor([0.7, 0.7 + LEAST_SPAN / 2, 0.7 - LEAST_SPAN]))

    assert relative.tolist() == pytest.approx([0, 0.5, -1], abs=1e-4)


def test_a_thing_without_detail_is_weak() -> None:
    """To an encoder of colour alone, any thing is only a patch: the check must step back."""
    encoder = CropEncoder(lambda pixels: pixels + 1, input_size=32)

    one = semantic_reference(
        encoder, picture((255, 0, 0), (0, 0, 255)), outline(slice(2, 6), slice(6, 10)), embedding(32, 64),
        torch.zeros(4, 4),
    )  # fmt: skip

    assert one.weak


def test_a_thing_that_its_ground_resembles_is_weak() -> None:
    """An encoder for which everything is the same."""
    encoder = CropEncoder(lambda pixels: torch.ones_like(pixels), input_size=32)

    one = semantic_reference(
        encoder, picture((255, 0, 0), (0, 0, 255)), outline(slice(2, 6), slice(6, 10)), embedding(32, 64),
        torch.zeros(4, 4),
    )  # fmt: skip

    assert one.weak


def test_an_object_is_cut_into_the_quarters_of_its_box() -> None:
    """A triangle of three pixels: one quarter is empty and left out."""
    logits = torch.full((4, 5), -1.0)
    logits[1, 2] = logits[2, 2] = logits[2, 3] = 1

    quarters = quartered(logits)

    assert [(quarter > 0).nonzero().tolist() for quarter in quarters] == [[[1, 2]], [[2, 2]], [[2, 3]]]
    assert quartered(torch.full((4, 5), -1.0)) == []


@pytest.mark.parametrize(("ground", "weak"), [((0.0, 1.0), False), ((1.0, 0.0), True)])
def test_sam_as_the_encoder_is_calibrated_by_regions(ground: tuple[float, float], weak: bool) -> None:
    """Its own features on the object and beside it; where both are the same, the reference is weak."""
    features = torch.tensor(ground)[:, None, None].repeat(1, 4, 4)
    features[:, 1, 1] = torch.tensor([1.0, 0.0])
    shown = ImageEmbedding(features, (32, 64), resized_size(32, 64, 64), 64)

    one = semantic_reference(
        SamSemantics(), picture((255, 0, 0), (0, 0, 255)), outline(slice(4, 8), slice(4, 8)), shown,
        torch.zeros(4, 4),
    )  # fmt: skip

    assert one.vector.tolist() == [1, 0]
    assert (one.itself, one.ground) == (1, ground[0])
    assert one.weak is weak
