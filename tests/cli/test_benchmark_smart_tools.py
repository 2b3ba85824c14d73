"""The benchmark of smart tools, in two tasks: the times are the business of the full run."""

import json

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_smart_tools import TARGETS
from backend.cli.main import main


@pytest.mark.weights
def test_it_prints_each_figure_and_fails_when_a_target_is_missed() -> None:
    result = CliRunner().invoke(main, ["benchmark", "smart-tools", "--tasks", "2", "--json"])

    figures = json.loads(result.stdout)
    missed = [name for name, target in TARGETS.items() if figures[name] > target]
    assert figures["missed"] == missed
    assert result.exit_code == bool(missed)
    assert 0 < figures["warm_s"] <= figures["warm_p95_s"]
    assert figures["similar_s"] > figures["warm_s"]
