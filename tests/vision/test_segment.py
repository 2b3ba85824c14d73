"""One object from one location prior: the algorithms as published, step by step."""

import numpy as np
import pytest
import torch

from backend.vision.guidance import target_guidance
from backend.vision.location_prior import LocationPrior, cell_centres_xy
from backend.vision.refine import Mask, best, box_xyxy, refine
from backend.vision.sam import ImageEmbedding, Sam
from backend.vision.segment import segment_target, segment_weighted
from backend.vision.similarity import similarity_map
from tests.tiny_sam import tiny_sam

PRIOR = LocationPrior(positive_xy=(6, 1), negative_xy=(0, 4), similarity=0.9)
LABELS = torch.tensor([1, 0])


@pytest.fixture(name="sam")
def _sam() -> Sam:
    return tiny_sam()


@pytest.fixture(name="seen")
def _seen(sam: Sam) -> ImageEmbedding:
    return sam.embed(np.random.default_rng(0).integers(0, 256, (38, 64, 3), dtype=np.uint8))


def test_persam_guides_one_mask_and_refines_it(sam: Sam, seen: ImageEmbedding) -> None:
    """Both points, a single mask, guided; then the refinement with both points."""
    target = seen.features[:, 1, 6]
    guidance = target_guidance("exact", similarity_map(seen.features, target, seen.valid), seen.valid, target)
    points_xy = cell_centres_xy(PRIOR.cells_xy, seen)

    mask = segment_target(sam, seen, PRIOR, guidance=guidance)

    first = best(
        sam.decode(seen, points_xy=points_xy[None], labels=LABELS[None], multimask=False, guidance=guidance)
    )
    assert torch.equal(mask.logits, refine(sam, seen, first, points_xy=points_xy, labels=LABELS).logits)


def test_persam_f_mixes_three_masks_and_starts_with_their_box(sam: Sam, seen: ImageEmbedding) -> None:
    """Only the positive point, no guidance."""
    weights = torch.tensor([0.5, 0.3, 0.2])
    points_xy, labels = cell_centres_xy(PRIOR.cells_xy[:1], seen), LABELS[:1]

    mask = segment_weighted(sam, seen, PRIOR, weights=weights)

    answer = sam.decode(seen, points_xy=points_xy[None], labels=labels[None])
    mixed = (answer.logits[0] * weights[:, None, None]).sum(dim=0)
    expected = refine(
        sam, seen, Mask(mixed, 0.5), points_xy=points_xy, labels=labels,
        first_box_xyxy=box_xyxy(mixed > 0, seen),
    )  # fmt: skip
    assert torch.allclose(mask.logits, expected.logits, atol=1e-4)
