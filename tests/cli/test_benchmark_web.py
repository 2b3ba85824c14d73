"""The figures of the web process, on few requests: the times are the business of the full run."""

import json

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_web import TARGETS, percentile
from backend.cli.main import main


def test_it_prints_each_figure_and_fails_when_a_target_is_missed() -> None:
    result = CliRunner().invoke(main, ["benchmark", "web", "--requests", "20", "--json"])

    figures = json.loads(result.stdout)
    missed = [name for name, target in TARGETS.items() if figures[name] > target]
    assert figures["missed"] == missed
    assert result.exit_code == bool(missed)
    assert 20 < figures["resident_mb"] < TARGETS["resident_mb"]
    assert 0 < figures["health_p50_ms"] <= figures["health_p99_ms"]


@pytest.mark.parametrize(("share", "value"), [(50, 51), (99, 100)])
def test_percentiles_are_values_that_were_measured(share: int, value: int) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value
