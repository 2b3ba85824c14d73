"""Candidates: stability, overlap, and which of several masks of one object stays."""

import pytest
import torch

from backend.vision.candidate import candidate, candidates_of, distinct, overlap, stability
from backend.vision.refine import Mask
from backend.vision.sam import MaskLogits


def test_a_mask_with_steep_edges_is_stable() -> None:
    """Four pixels far above zero, against four of which two lie just above it."""
    steep = torch.tensor([[9.0, 9.0, -9.0], [9.0, 9.0, -9.0]])
    shallow = torch.tensor([[9.0, 9.0, -9.0], [0.5, 0.5, -9.0]])

    assert stability(torch.stack([steep, shallow])).tolist() == [1, 0.5]


def test_an_empty_mask_is_not_stable() -> None:
    """Zero over zero is no recommendation."""
    assert stability(torch.full((1, 2, 3), -9.0)).tolist() == [0]


def test_overlap_is_the_share_of_the_smaller_mask() -> None:
    """A part of two pixels inside a whole of four, and a neighbour that shares nothing."""
    whole = torch.tensor([[True, True, False], [True, True, False]])
    part = torch.tensor([[True, False, False], [True, False, False]])
    neighbour = torch.tensor([[False, False, True], [False, False, True]])

    assert overlap(whole[None], torch.stack([part, neighbour])).tolist() == [[1, 0]]


def test_of_masks_that_show_one_object_the_best_stays() -> None:
    """A part with a lower score goes, and one with a higher score replaces the whole; the neighbour stays."""
    whole = torch.tensor([[True, True, False], [True, True, False]])
    part = torch.tensor([[True, False, False], [True, False, False]])
    neighbour = torch.tensor([[False, False, True], [False, False, True]])
    masks = torch.stack([whole, part, neighbour])

    assert distinct(masks, [0.9, 0.8, 0.7]) == [0, 2]
    assert distinct(masks, [0.8, 0.9, 0.7]) == [1, 2]


def test_no_masks_are_distinct() -> None:
    """Finding nothing is normal."""
    assert distinct(torch.zeros(0, 2, 3, dtype=torch.bool), []) == []


def test_a_candidate_takes_the_cells_it_covers_by_half() -> None:
    """Logits of 8 x 8 pixels over 2 x 2 cells: one cell full, one half, one a quarter."""
    logits = torch.full((8, 8), -9.0)
    logits[:4, :6] = 9
    logits[4:6, :2] = 9
    similarity = torch.tensor([[0.9, 0.6], [0.3, 0.0]])

    found = candidate(Mask(logits, 1.2), side=2, finder=0)

    assert found.cells.tolist() == [[True, True], [False, False]]
    assert found.iou == 1
    assert found.area == 1.75
    assert found.location(similarity) == pytest.approx((0.9 + 0.6 / 2 + 0.3 / 4) / 1.75)


def test_an_empty_candidate_is_nowhere() -> None:
    """Its mean similarity would be NaN."""
    found = candidate(Mask(torch.full((8, 8), -9.0), 0.5), side=2, finder=0)

    assert not found.cells.any()
    assert found.location(torch.zeros(2, 2)) == -1


def test_all_masks_of_an_answer_are_candidates_but_the_empty_ones() -> None:
    """Two prompts, two masks each, in that order; each is measured like a single mask."""
    logits = torch.full((2, 2, 8, 8), -9.0)
    logits[0, 0, :4, :6] = 9
    logits[1, 0, 4:, :4] = 9
    logits[1, 1, :4, 4:] = 0.5
    answer = MaskLogits(logits, torch.tensor([[0.9, 0.8], [1.2, 0.4]]))

    found = candidates_of(answer, side=2, finder=1)

    alone = [
        candidate(Mask(logits[at], float(answer.iou[at])), side=2, finder=1)
        for at in [(0, 0), (1, 0), (1, 1)]
    ]
    assert [one.logits.tolist() for one in found] == [one.logits.tolist() for one in alone]
    assert [one.coverage.tolist() for one in found] == [one.coverage.tolist() for one in alone]
    assert [(one.iou, one.stability, one.finder) for one in found] == [
        (one.iou, one.stability, one.finder) for one in alone
    ]


def test_an_answer_of_empty_masks_gives_no_candidate() -> None:
    """Finding nothing is normal."""
    answer = MaskLogits(torch.full((1, 3, 8, 8), -9.0), torch.ones(1, 3))

    assert candidates_of(answer, side=2, finder=0) == []


@pytest.mark.parametrize(
    ("iou", "stable", "sure"), [(0.98, 1.0, True), (0.96, 1.0, False), (0.98, 0.9, False)]
)
def test_an_outline_is_sure_if_it_is_stable_and_the_decoder_says_so(
    iou: float, stable: float, sure: bool
) -> None:
    """Ten rows of ten pixels, of which some lie just above zero."""
    logits = torch.full((10, 10), 9.0)
    logits[: round((1 - stable) * 10)] = 0.5

    assert candidate(Mask(logits, iou), side=5, finder=0).sure == sure
