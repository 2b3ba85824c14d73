"""Boxes around low-resolution masks, and the refinement's way out of an empty one."""

import numpy as np
import pytest
import torch

from backend.vision.refine import Mask, best, box_xyxy, refine
from backend.vision.sam import ImageEmbedding, MaskLogits, resized_size
from tests.tiny_sam import SIDE, tiny_sam


def embedding(height: int, width: int) -> ImageEmbedding:
    """An empty embedding of 4 x 4 cells of 16 pixels."""
    return ImageEmbedding(torch.zeros(2, 4, 4), (height, width), resized_size(height, width, 64), 64)


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
