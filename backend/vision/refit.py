"""Refit: weights of the cues after a person has said which candidates are right.

The most likely weights given both: the shipped ones as the prior, the reviewed candidates as what was seen
(logistic regression with a ridge towards the prior). With little evidence they stay where they were.
"""

import math
from dataclasses import fields

import torch
from torch import Tensor

from backend.vision.evidence import ENOUGH, Weights

CUES = tuple(field.name for field in fields(Weights) if field.name != "bias")
USUAL = {  # a cue's usual value, and about how far candidates differ in it: makes their weights comparable
    "location": (0.8, 0.3),
    "size": (-0.2, 0.6),
    "iou": (0.85, 0.1),
    "stability": (0.9, 0.15),
    "likeness": (0.8, 0.3),
    "colour": (0.8, 0.2),
    "edge": (0.8, 0.3),
    "sharpness": (0.0, 0.2),
    "lead": (0.06, 0.03),
    "company": (0.0, 0.3),
}
RIDGE = (
    10.0  # what the prior of a weight counts for, in candidates that are as far from usual as usual ones are
)
RIDGE_OF_BIAS = 10.0
TASTES = 0.5  # about how far candidates differ in taste
LEVEL = math.log(ENOUGH / (1 - ENOUGH))  # logit at which a candidate is accepted
STEPS = 50
CLOSE = 1e-9


def refitted(table: Tensor, target: Tensor, prior: Weights, taste: Tensor) -> tuple[Weights, float]:
    """Refit the weights; a candidate is to be accepted where it is rather right than wrong.

    Args:
        table: cues of n candidates in the order of the fields of ``Cues``, (n, 10) float.
        target: how right each is, in [0, 1], (n,) float.
        prior: where the weights stay without evidence.
        taste: how much each looks like confirmed ones, by what others taught, (n,) float; zeros: not known.

    Returns:
        Weights of the cues, and that of the taste, which is 0 without evidence.
    """
    usual, spread = torch.tensor([USUAL[name] for name in CUES], dtype=torch.float64).T
    weights = torch.tensor([getattr(prior, name) for name in CUES], dtype=torch.float64)
    start = torch.cat([weights, (prior.bias - LEVEL + weights @ usual)[None], spread.new_zeros(1)])
    ridge = torch.cat([RIDGE * spread**2, spread.new_tensor([RIDGE_OF_BIAS, RIDGE * TASTES**2])])
    rows = torch.cat([table.double() - usual, spread.new_ones(len(table), 1), taste.double()[:, None]], dim=1)
    found = most_likely(rows, target.double(), start, ridge)
    cues = found[: len(CUES)]
    bias = float(found[-2] - cues @ usual) + LEVEL
    return Weights(**dict(zip(CUES, cues.tolist(), strict=True)), bias=bias), float(found[-1])


def most_likely(rows: Tensor, target: Tensor, prior: Tensor, ridge: Tensor) -> Tensor:
    """Logistic regression with a ridge towards *prior*, by Newton's steps, halved where they overshoot.

    Args:
        rows: (n, d) double.
        target: in [0, 1], (n,) double.
        prior: (d,) double.
        ridge: of each weight, above 0, (d,) double.

    Returns:
        Weights, (d,) double.
    """
    weights = prior.clone()

    def loss(at: Tensor) -> float:
        logits = rows @ at
        fit = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        return float(fit + (ridge * (at - prior) ** 2).sum() / 2)

    lost = loss(weights)
    for _ in range(STEPS):
        chance = torch.sigmoid(rows @ weights)
        slope = rows.T @ (chance - target) + ridge * (weights - prior)
        curve = (rows * (chance * (1 - chance))[:, None]).T @ rows + ridge.diag()
        step = torch.linalg.solve(curve, slope)
        while (less := loss(weights - step)) > lost + CLOSE and float(step.abs().max()) > CLOSE:
            step = step / 2
        weights, lost = weights - step, less
        if float(step.abs().max()) <= CLOSE:
            break
    return weights
