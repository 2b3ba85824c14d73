"""PerSAM-F: how much of part, whole and more makes up the annotated object, fitted on the reference."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
SMOOTHING = 1.0
STEPS = 20  # the simplex is searched in steps of a twentieth


def mask_weights(logits: Tensor, coverage: Tensor) -> Tensor:
    """Fit the shares of the three masks that together come closest to the reference mask.

    PerSAM-F, "Fine-tuning of PerSAM": two free weights, dice and focal loss. The model is frozen and the
    prompt never changes, so one decode is enough; instead of a thousand steps of gradient descent, every
    mix in steps of a twentieth is tried, which gives the same answer every time.

    Args:
        logits: three masks of one decode on the reference image, (3, 4h, 4w) float.
        coverage: share of each low-resolution pixel that the reference mask covers, (4h, 4w) float in [0, 1].

    Returns:
        Shares that sum to one, (3,) float.
    """
    mixes = simplex(STEPS, device=logits.device)
    losses = torch.stack([mask_loss(torch.einsum("m,mhw->hw", mix, logits), coverage) for mix in mixes])
    return mixes[int(losses.argmin())]


def simplex(steps: int, *, device: torch.device | str = "cpu") -> Tensor:
    """All triples of multiples of 1 / *steps* that sum to one, (n, 3) float."""
    triples = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return torch.tensor(triples, dtype=torch.float32, device=device) / steps


def mask_loss(logits: Tensor, coverage: Tensor) -> Tensor:
    """Dice loss plus focal loss of one mask.

    Args:
        logits: (4h, 4w) float.
        coverage: the truth, (4h, 4w) float in [0, 1].

    Returns:
        One value, () float.
    """
    probability = logits.sigmoid()
    shared = (probability * coverage).sum()
    dice = 1 - (2 * shared + SMOOTHING) / (probability.sum() + coverage.sum() + SMOOTHING)
    entropy = binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    right = probability * coverage + (1 - probability) * (1 - coverage)
    balance = FOCAL_ALPHA * coverage + (1 - FOCAL_ALPHA) * (1 - coverage)
    return dice + (balance * (1 - right) ** FOCAL_GAMMA * entropy).mean()
