"""Refitting the weights: little evidence moves them little, much evidence as far as it must."""

from dataclasses import fields

import pytest
import torch

from backend.vision.evidence import ENOUGH, FITTED, Cues, Weights
from backend.vision.refit import CUES, USUAL, most_likely, refitted
from tests.vision.made_by_hand import cues

PRIOR = FITTED.second


def located(*places: float) -> torch.Tensor:
    """Cues of candidates that differ in their place only, (n, 10)."""
    return cues(list(places)).table


def evidence(weights: Weights, table: torch.Tensor) -> list[float]:
    """Of such candidates."""
    values: list[float] = weights.evidence(Cues(*table.T)).tolist()
    return values


def test_without_evidence_the_weights_stay() -> None:
    """To the last digit that matters."""
    same, taste = refitted(torch.zeros(0, len(CUES)), torch.zeros(0), PRIOR, torch.zeros(0))

    assert taste == pytest.approx(0)
    assert [getattr(same, one.name) for one in fields(Weights)] == pytest.approx(
        [getattr(PRIOR, one.name) for one in fields(Weights)]
    )


def test_every_cue_has_a_usual_spread() -> None:
    """Else its ridge would be a guess."""
    assert set(USUAL) == set(CUES)


def test_more_evidence_moves_the_level_further() -> None:
    """Candidates in one place, all wrong: after one the next is doubted, after a hundred rejected."""
    table = located(0.9)

    few, many = (
        evidence(refitted(table.expand(n, -1), torch.zeros(n), PRIOR, torch.zeros(n))[0], table)[0]
        for n in (1, 100)
    )

    assert evidence(PRIOR, table)[0] > few > ENOUGH > many


def test_what_tells_right_from_wrong_counts_more() -> None:
    """Only the place differs between the two kinds."""
    table = located(*[1.0] * 200, *[0.6] * 200)
    right = torch.tensor([1.0] * 200 + [0.0] * 200)

    weights, taste = refitted(table, right, PRIOR, torch.zeros(400))

    assert taste == pytest.approx(0)
    assert weights.location > PRIOR.location
    first, *_, last = evidence(weights, table)
    assert first > ENOUGH > last


def test_the_most_likely_weights_have_no_slope() -> None:
    """The gradient of the loss is zero there, whatever the start."""
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(50, 3, generator=random, dtype=torch.float64) * 10
    target = (torch.rand(50, generator=random) > 0.5).double()
    prior, ridge = torch.tensor([30.0, -30.0, 0.0]).double(), torch.tensor([0.1, 1.0, 10.0]).double()

    weights = most_likely(rows, target, prior, ridge)

    slope = rows.T @ (torch.sigmoid(rows @ weights) - target) + ridge * (weights - prior)
    assert slope.abs().max() < 1e-6


def test_taste_counts_where_it_alone_tells_right_from_wrong() -> None:
    """All candidates lie in one place; what people confirmed looks otherwise than what they deleted."""
    right = torch.tensor([1.0] * 50 + [0.0] * 50)

    _, taste = refitted(located(*[0.9] * 100), right, PRIOR, 2 * right - 1)

    assert taste > 1
