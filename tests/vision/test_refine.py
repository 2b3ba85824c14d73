"""Boxes around low-resolution masks, and the refinement's way out of an empty one."""

import numpy as np
import pytest
import torch

from backend.vision.refine import Mask, best, box_xyxy, redrawn, refine
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from tests.tiny_sam import SIDE, tiny_sam
from tests.vision.made_by_hand import embedding


def test_a_box_is_in_pixels_of_the_image() -> None:
    """An image of 24 x 32 in a square of 64, masks of 16 x 16: a mask pixel is two image pixels."""
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[2:5, 7:15] = True

    assert box_xyxy(mask, embedding(24, 32)).tolist() == [14, 4, 30, 10]  # type: ignore[union-attr]


def test_a_box_ends_where_the_image_ends() -> None:
    """The mask runs on into the padding below row 12."""
    mask = torch.ones(16, 16, dtype=torch.bool)

    assert box_xyxy(mask, embedding(24, 32)).tolist() == [0, 0, 32, 24]  # type: ignore[union-attr]


def test_an_empty_mask_has_no_box() -> None:
    """The published code crashes here."""
    assert box_xyxy(torch.zeros(16, 16, dtype=torch.bool), embedding(24, 32)) is None


def test_the_best_mask_has_the_highest_predicted_iou() -> None:
    """The second of three."""
    logits = torch.arange(3.0)[None, :, None, None].expand(1, 3, 4, 4)

    mask = best(MaskLogits(logits, torch.tensor([[0.2, 0.9, 0.3]])))

    assert float(mask.logits[0, 0]) == 1
    assert mask.iou == pytest.approx(0.9)


def test_refinement_decodes_twice_the_second_time_with_the_box() -> None:
    """The same as two decodes by hand."""
    sam = tiny_sam()
    image = np.random.default_rng(0).integers(0, 256, (38, 64, 3), dtype=np.uint8)
    seen = sam.embed(image)
    points_xy, labels = torch.tensor([[20.0, 10.0], [50.0, 30.0]]), torch.tensor([1, 0])
    points, marks = points_xy[None], labels[None]
    first = Mask(torch.randn(4 * SIDE, 4 * SIDE, generator=torch.Generator().manual_seed(2)), 0.5)

    refined = refine(sam, seen, first, points_xy=points_xy, labels=labels)

    step = best(sam.decode(seen, points_xy=points, labels=marks, mask_logits=first.logits[None]))
    box = box_xyxy(step.logits > 0, seen)
    assert box is not None
    expected = best(
        sam.decode(seen, points_xy=points, labels=marks, boxes_xyxy=box[None], mask_logits=step.logits[None])
    )
    assert torch.equal(refined.logits, expected.logits)


class Redrawing(Sam):
    """Answers every prompt with the same mask, and notes what it was asked."""

    def __init__(self, answer: torch.Tensor) -> None:
        self.answer = answer
        self.asked: dict[str, object] = {}

    def decode(self, embedding: ImageEmbedding, **prompts: object) -> MaskLogits:  # noqa: ARG002
        """One mask."""
        self.asked = prompts
        return MaskLogits(self.answer[None, None], torch.tensor([[0.9]]))


def rows(count: int) -> torch.Tensor:
    """Logits of a mask of that many rows of ten pixels, in a square of 16 x 16."""
    logits = torch.full((16, 16), -4.0)
    logits[:count, :10] = 4.0
    return logits


def test_an_object_is_drawn_once_more_from_its_box_and_logits() -> None:
    """Eight rows become nine; a mask pixel is two image pixels."""
    sam, before = Redrawing(rows(9)), rows(8)

    after = redrawn(sam, embedding(24, 32), before)

    assert after.equal(rows(9))
    assert (sam.asked["boxes_xyxy"] == torch.tensor([[0, 0, 20, 16]])).all()  # type: ignore[attr-defined]
    assert (sam.asked["mask_logits"] == before[None]).all()  # type: ignore[attr-defined]
    assert sam.asked["multimask"] is False


def test_an_outline_that_has_become_another_object_is_not_taken() -> None:
    """Of eight rows only four are left."""
    assert redrawn(Redrawing(rows(4)), embedding(24, 32), rows(8)).equal(rows(8))


def test_an_empty_mask_stays_empty() -> None:
    """There is no box to draw it from."""
    sam = tiny_sam()
    seen = sam.embed(np.zeros((38, 64, 3), dtype=np.uint8))
    nothing = torch.full((4 * SIDE, 4 * SIDE), -1.0)

    assert redrawn(sam, seen, nothing) is nothing
