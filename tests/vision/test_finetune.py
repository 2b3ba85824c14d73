"""PerSAM-F's weights."""

import pytest
import torch

from backend.vision.finetune import STEPS, mask_loss, mask_weights, mix_losses, simplex

INSIDE = torch.zeros(6, 10, dtype=torch.bool)
INSIDE[1:4, 2:9] = True


def mask(inside: torch.Tensor) -> torch.Tensor:
    """Certain logits of a mask."""
    return inside.float() * 20 - 10


def test_the_mask_that_is_the_reference_gets_all_the_weight() -> None:
    """Of part, whole and more, the whole."""
    part, more = INSIDE.clone(), torch.ones_like(INSIDE)
    part[:, 4:] = False
    logits = torch.stack([mask(part), mask(INSIDE), mask(more)])

    assert mask_weights(logits, INSIDE.float()).tolist() == [0, 1, 0]


def test_a_mix_is_found_where_no_mask_is_right() -> None:
    """The truth lies between a part and too much: each has to outvote the other somewhere."""
    part, more = torch.full((6, 10), -4.0), torch.full((6, 10), 3.0)
    part[INSIDE] = 4
    more[INSIDE] = -1
    weights = mask_weights(torch.stack([part, torch.full((6, 10), -9.0), more]), INSIDE.float())

    mixed = torch.einsum("m,mhw->hw", weights, torch.stack([part, torch.full((6, 10), -9.0), more]))
    assert torch.equal(mixed > 0, INSIDE)


def test_weights_are_the_same_every_time() -> None:
    """No random start, no learning rate."""
    logits = torch.randn(3, 6, 10, generator=torch.Generator().manual_seed(0))

    assert torch.equal(mask_weights(logits, INSIDE.float()), mask_weights(logits, INSIDE.float()))


def test_every_mix_sums_to_one() -> None:
    """With steps of a half there are six."""
    mixes = simplex(2)

    assert len(mixes) == 6
    assert mixes.sum(dim=1).tolist() == pytest.approx([1] * 6)


def test_the_loss_falls_as_the_mask_improves() -> None:
    """Right, half right, wrong."""
    half = INSIDE.clone()
    half[2:] = False
    losses = [float(mask_loss(mask(one), INSIDE.float())) for one in (INSIDE, half, ~INSIDE)]

    assert losses == sorted(losses)
    assert losses[0] == pytest.approx(0, abs=0.01)


def test_the_best_of_all_mixes_is_among_those_tried_on_all_pixels() -> None:
    """A disc between a smaller and a larger one, its edge soft: as if all mixes were tried on all pixels."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(80.0), indexing="ij")
    away = ((rows - 30) ** 2 + (columns - 42) ** 2).sqrt()
    logits = torch.stack([10 - away, (22 - away) / 2, (40 - away) / 3])
    truth = (away < 18).float()

    losses = mix_losses(simplex(STEPS), logits, truth)

    assert torch.equal(mask_weights(logits, truth), simplex(STEPS)[int(losses.argmin())])
    assert 0 < int(losses.argmin()) < len(losses) - 1
