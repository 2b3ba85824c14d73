"""PerSAM-F: how much of part, whole and more makes up the annotated object, fitted on the reference."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
SMOOTHING = 1.0
SPARSE = 4  # pixels and rows that the first round goes on by, at most: one pixel of each cell
ENOUGH_PIXELS = 256  # of the object that the first round looks at, at least
MIXES_PER_PASS = 8  # what a CPU's caches hold
FINALISTS = 24  # mixes that are tried on all pixels
STEPS = 20  # the simplex is searched in steps of a twentieth


def mask_weights(logits: Tensor, coverage: Tensor) -> Tensor:
    """Fit the shares of the three masks that together come closest to the reference mask.

    PerSAM-F, "Fine-tuning of PerSAM": two free weights, dice and focal loss. The model is frozen and the
    prompt never changes, so one decode is enough; instead of a thousand steps of gradient descent, every
    mix in steps of a twentieth is tried, which gives the same answer every time: all of them on some of the
    pixels, the best of them on all.

    Args:
        logits: three masks of one decode on the reference image, (3, 4h, 4w) float.
        coverage: share of each low-resolution pixel that the reference mask covers, (4h, 4w) float in [0, 1].

    Returns:
        Shares that sum to one, (3,) float.
    """
    mixes = simplex(STEPS, device=logits.device)
    step = max(1, min(SPARSE, int((float(coverage.sum()) / ENOUGH_PIXELS) ** 0.5)))
    few = mix_losses(mixes, logits[:, ::step, ::step], coverage[::step, ::step])
    likely = mixes[few.argsort(stable=True)[:FINALISTS]]
    return likely[int(mix_losses(likely, logits, coverage).argmin())]


def mix_losses(mixes: Tensor, logits: Tensor, coverage: Tensor) -> Tensor:
    """Loss of each mix (k, 3) of masks (3, h, w) against a coverage (h, w); (k,) float."""
    mixed = (torch.einsum("km,mhw->khw", some, logits) for some in torch.split(mixes, MIXES_PER_PASS))
    return torch.cat([mask_loss(one, coverage) for one in mixed])


def simplex(steps: int, *, device: torch.device | str = "cpu") -> Tensor:
    """All triples of multiples of 1 / *steps* that sum to one, (n, 3) float."""
    triples = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return torch.tensor(triples, dtype=torch.float32, device=device) / steps


def mask_loss(logits: Tensor, coverage: Tensor) -> Tensor:
    """Dice loss plus focal loss of masks.

    Args:
        logits: (..., 4h, 4w) float.
        coverage: the truth, (4h, 4w) float in [0, 1].

    Returns:
        One value a mask, (...) float.
    """
    probability, true = logits.sigmoid(), coverage.expand_as(logits)
    shared = (probability * true).sum(dim=(-2, -1))
    dice = 1 - (2 * shared + SMOOTHING) / (probability.sum(dim=(-2, -1)) + coverage.sum() + SMOOTHING)
    entropy = binary_cross_entropy_with_logits(logits, true, reduction="none")
    right = probability * true + (1 - probability) * (1 - true)
    balance = FOCAL_ALPHA * true + (1 - FOCAL_ALPHA) * (1 - true)
    return dice + (balance * (1 - right) ** FOCAL_GAMMA * entropy).mean(dim=(-2, -1))
