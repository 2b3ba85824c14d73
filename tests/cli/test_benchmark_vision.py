"""The benchmark of the search: what it compares, and what it says of it."""

import json

import click
import pytest
from click.testing import CliRunner

from backend.cli.benchmark_vision import numbers, table
from backend.cli.main import main
from backend.evaluation.search_speed import SearchCost


@pytest.mark.weights
def test_the_pipeline_is_compared_with_both_peers(weights: object) -> None:  # noqa: ARG001
    """One coin, which all of them find."""
    command = "benchmark search --things 1 --megapixels 0.3 --peers 1 --rounds 1 --json"
    result = CliRunner().invoke(main, command.split())

    answer = json.loads(result.stdout)
    ways = [(one["way"], one["things"], one["megapixels"]) for one in answer["costs"]]
    assert [way for way, _, _ in ways] == ["pipeline", "pipeline", "sam-loop", "persam-loop"]
    assert [things for _, things, _ in ways] == [1, 10, 1, 1]
    assert ways[1][2] == pytest.approx(0.3, abs=0.001)
    assert answer["costs"][0]["f1"] == 1
    assert answer["costs"][0]["decode_ms"] == 0 < answer["costs"][1]["decode_ms"]
    assert all(one["encode_ms"] > 0 and one["after_ms"] > one["check_ms"] for one in answer["costs"])
    assert answer["fit"]["published_ms"] > answer["fit"]["fit_ms"] > 0
    assert answer["fit"]["loss"] <= answer["fit"]["published_loss"] + 0.001
    assert answer["machine"]["torch"]


def test_peers_are_compared_by_the_cost_of_an_instance() -> None:
    """50 ms an instance against 20."""
    costs = [
        SearchCost("pipeline", 10, 1.0, 10, 1.0, encode_ms=100, check_ms=20, after_ms=200),
        SearchCost("persam-loop", 10, 1.0, 8, 0.8, encode_ms=100, check_ms=0, after_ms=400),
    ]

    _, own, peer = table(costs)

    assert own.split() == ["pipeline", "10", "1.0", "10", "1.000", "0", "100", "20", "200", "2.00", "20.0"]
    assert peer.split()[-3:] == ["4.00", "50.0", "2.5"]


def test_numbers_have_commas_between_them() -> None:
    assert numbers("0.3, 12") == [0.3, 12]
    assert numbers("") == []
    for text in ("many", "3,-1"):
        with pytest.raises(click.UsageError, match="expected numbers"):
            numbers(text)
