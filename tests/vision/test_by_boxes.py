"""What SAM is asked for other outlines of a thing, and which of its answers show the same thing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from backend.vision.by_boxes import by_boxes
from backend.vision.sam import MaskLogits, Sam
from tests.tiny_sam import tiny_sam
from tests.vision.made_by_hand import embedding

SEEN = embedding(24, 32)  # in a square of 64, masks of 16 x 16: a mask pixel is two image pixels


def mask(top: int, left: int, height: int, width: int) -> Tensor:
    """In the low-resolution square."""
    drawn = torch.zeros(16, 16, dtype=torch.bool)
    drawn[top : top + height, left : left + width] = True
    return drawn


def answering(*masks: Tensor) -> tuple[Sam, list[Any]]:
    """A SAM that answers this to every box, and what it was asked."""
    sam, asked = tiny_sam(), list[Any]()

    def decode(*_: object, boxes_xyxy: Tensor) -> MaskLogits:
        asked.extend(boxes_xyxy.tolist())
        logits = torch.stack(masks).float() * 20 - 10
        return MaskLogits(logits.expand(len(boxes_xyxy), -1, -1, -1), torch.ones(len(boxes_xyxy), len(masks)))

    sam.decode = decode  # type: ignore[method-assign, assignment]
    return sam, asked


def test_a_thing_is_asked_for_by_three_boxes_that_end_where_the_image_does() -> None:
    """Four rows from 2, six columns from 8: in an image of 24 x 32 from 16, 4 to 28, 12, about 22, 8."""
    thing = mask(2, 8, 4, 6)
    sam, asked = answering(thing)

    others = by_boxes(sam, SEEN, thing.float() - 0.5)

    assert asked == [
        pytest.approx([17.5, 5, 26.5, 11]),
        pytest.approx([16, 4, 28, 12]),
        pytest.approx([14, 8 - 16 / 3, 30, 8 + 16 / 3]),
    ]
    assert others.shape == (3, 16, 16)
    assert torch.equal(others[1], thing)

    corner = mask(0, 12, 12, 4)  # in the right of the image, from its top to its bottom
    sam, asked = answering(corner)
    by_boxes(sam, SEEN, corner.float() - 0.5)
    assert asked[2] == pytest.approx([28 - 16 / 3, 0, 32, 24])


def test_only_what_shows_the_same_thing_is_another_outline_of_it() -> None:
    """Of 24 pixels, two thirds and 36 do; a third, 54 and a neighbour do not."""
    thing = mask(2, 8, 4, 6)
    part, more = mask(2, 8, 4, 4), mask(2, 4, 4, 9)
    sam, _ = answering(part, mask(2, 8, 4, 2), more, mask(2, 2, 6, 9), mask(8, 8, 4, 6))

    others = by_boxes(sam, SEEN, thing.float() - 0.5)

    assert [one.sum().item() for one in others] == [16, 36] * 3


def test_what_is_empty_has_no_other_outlines() -> None:
    """And SAM is not asked."""
    sam, asked = answering(mask(0, 0, 2, 2))

    assert by_boxes(sam, SEEN, torch.zeros(16, 16) - 1).shape == (0, 16, 16)
    assert asked == []
