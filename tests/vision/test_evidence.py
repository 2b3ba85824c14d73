"""Evidence: cues on scales of the reference's own, weighed together."""

import math
from dataclasses import fields, replace

import pytest
import torch

from backend.vision.evidence import (
    FITTED,
    LEAST_AREA,
    NEUTRAL,
    SIZE_FREE,
    SIZE_LIMIT,
    SURER,
    Cues,
    Weights,
    at_best,
    confidence,
    cues_of,
    freely,
    just_like_it,
    log_areas,
    pooled,
    strictly,
)
from backend.vision.parts import Part
from tests.vision.made_by_hand import candidate, cues

NO_WEIGHT = Weights(**{field.name: 0.0 for field in fields(Weights)})


def test_the_columns_of_the_table_are_the_cues_in_the_order_of_the_fields() -> None:
    """Two candidates, ten cues."""
    table = torch.arange(20.0).reshape(2, 10)

    one = Cues(*table.T)

    assert len(one) == 2
    assert torch.equal(one.table, table)


def test_evidence_is_the_logistic_of_what_the_cues_weigh() -> None:
    """Place at weight 2 and company at -1, less 1: 2 - 1 and 0 - 3 - 1."""
    weights = replace(NO_WEIGHT, location=2.0, company=-1.0, bias=-1.0)

    evidence = weights.evidence(cues([1.0, 0.0], company=[0.0, 3.0]))

    assert evidence.tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(4))])


@pytest.mark.parametrize("weights", [FITTED.first, FITTED.second], ids=["first", "second"])
def test_no_cue_speaks_against_what_it_was_made_to_speak_for(weights: Weights) -> None:
    """As fitted; a negative weight would mean that a better place, or a surer mask, makes less sure."""
    assert min(getattr(weights, field.name) for field in fields(weights) if field.name != "bias") >= 0


def test_company_does_not_count_before_there_is_any() -> None:
    """At first sight nothing is sure yet."""
    assert FITTED.first.company == 0
    assert FITTED.second.company > 0


def test_whether_blur_counts_only_reviews_can_say() -> None:
    """Some annotate what is out of focus, and some do not: one mask does not tell."""
    assert [one.sharpness for one in (FITTED.first, FITTED.second)] == [0, 0]


def test_what_is_like_the_reference_in_all_is_sure_and_what_is_in_nothing_is_not() -> None:
    """Whatever the weights are."""
    like, unlike = cues([1.0], lead=[0.1]), replace(cues([0.0]), likeness=torch.zeros(1))

    assert float(FITTED.first.evidence(like)) > 0.7
    assert float(FITTED.first.evidence(unlike)) < 0.2


def test_confidence_is_evidence_on_the_scale_of_what_comes_true() -> None:
    """Odds of one to one become e^1.5 to one; the order stays, and so do the ends."""
    assert confidence(0.5) == pytest.approx(1 / (1 + math.exp(-SURER)))
    assert confidence(0.0) < confidence(0.35) < confidence(0.36) < confidence(1.0) <= 1
    assert confidence(0.0) == pytest.approx(0, abs=1e-4)


def test_a_map_is_averaged_over_what_a_mask_covers() -> None:
    """The first cell; and the upper row with half of the first cell of the lower one."""
    maps = torch.tensor([[[1.0, 0.0], [4.0, 9.0]], [[0.0, 1.0], [0.0, 0.0]]])
    first, more = candidate(), candidate(slice(0, 4), slice(0, 8))
    more = replace(more, coverage=torch.tensor([[1.0, 1.0], [0.5, 0.0]]))

    means = pooled([first, more], maps)

    assert torch.allclose(means, torch.tensor([[1.0, 0.0], [3 / 2.5, 1 / 2.5]]))


def test_sizes_are_told_in_doublings_of_the_reference() -> None:
    """One cell, and two, of a thing of one cell; a speck is no smaller than the least area."""
    one, two, speck = candidate(), candidate(columns=slice(0, 8)), candidate(slice(0, 1), slice(0, 1))
    speck = replace(speck, coverage=speck.coverage * 0)

    assert log_areas([one, two], 1).tolist() == pytest.approx([0, math.log(2)])
    assert log_areas([one, speck], LEAST_AREA / 9).tolist() == pytest.approx([math.log(1 / LEAST_AREA), 0])


def test_things_of_a_kind_may_differ_in_size_a_little_and_size_has_a_limit() -> None:
    """Larger and smaller count alike; the same image is judged more strictly."""
    sizes = torch.tensor([0.0, SIZE_FREE, -SIZE_FREE, 1.0, -1.0, 9.0, -9.0])

    free, strict = freely(sizes), strictly(sizes)

    assert free.tolist() == pytest.approx(
        [0, 0, 0, SIZE_FREE - 1, SIZE_FREE - 1] + [SIZE_FREE - SIZE_LIMIT] * 2
    )
    assert strict.tolist() == pytest.approx([0, -SIZE_FREE, -SIZE_FREE, -1, -1, -SIZE_LIMIT, -SIZE_LIMIT])


def test_at_first_sight_the_reference_is_all_the_company() -> None:
    """As high on the map as the reference itself is none; what is far beyond says no more."""
    places = torch.tensor([1.0, 0.6, 7.0, -5.0])
    found = [candidate(iou=0.8)] * 4

    one = cues_of(found, places, torch.zeros(4), just_like_it(4))

    assert one.location.tolist() == pytest.approx([1, 0.6, 1.5, -1])
    assert one.company.tolist() == pytest.approx([0, -0.4, 0.5, -1])
    assert one.iou.tolist() == pytest.approx([0.8] * 4)
    assert one.stability.tolist() == [1] * 4


def test_what_is_not_compared_yet_gets_what_it_would_if_it_were_the_same() -> None:
    """The second cell of a map that is high on the first; looks are weighed as if they were right."""
    weights = replace(NO_WEIGHT, location=1.0, likeness=1.0, colour=1.0, bias=-2.0)
    location = torch.tensor([[1.0, -1.0], [0.0, 0.0]])

    evidence = at_best([candidate(), candidate(columns=slice(4, 8))], 1, location, weights)

    assert evidence.tolist() == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))])


@pytest.mark.parametrize("name", list(NEUTRAL))
def test_without_a_cue_all_are_judged_as_if_it_were_as_good_as_can_be(name: Part) -> None:
    """Two candidates that differ in all that can be left out; what is not left out counts as before."""
    one = replace(
        cues([1.0, 0.5], lead=[0.02, 0.05], company=[-0.2, 0.1]),
        size=torch.tensor([-1.0, -0.3]),
        likeness=torch.tensor([0.4, 0.9]),
        colour=torch.tensor([0.3, 0.6]),
        edge=torch.tensor([0.2, 0.7]),
    )
    best = replace(one, **{name: torch.full((2,), NEUTRAL[name])})

    without = FITTED.second.neutral([name]).evidence(one)

    assert without.tolist() == pytest.approx(FITTED.second.evidence(best).tolist())
    assert without.tolist() != pytest.approx(FITTED.second.evidence(one).tolist())


def test_without_nothing_the_weights_are_what_they_are() -> None:
    """And parts that are no cues do not concern them."""
    assert FITTED.neutral([]) == FITTED
    assert FITTED.neutral(["tiles", "company"]) == FITTED


def test_cues_are_left_out_at_both_sights() -> None:
    weights = FITTED.neutral(["size", "lead"])

    assert [one.size for one in (weights.first, weights.second)] == [0, 0]
    assert [one.lead for one in (weights.first, weights.second)] == [0, 0]
