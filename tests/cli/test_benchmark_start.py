"""How soon a worker is ready, on its real models."""

import json

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_start import TARGETS
from backend.cli.main import main


@pytest.mark.weights
def test_it_starts_a_worker_and_fails_when_a_target_is_missed(weights: object) -> None:  # noqa: ARG001
    result = CliRunner().invoke(main, ["benchmark", "start", "--rounds", "1", "--json"])

    figures = json.loads(result.stdout)
    missed = [name for name, target in TARGETS.items() if figures[name] > target]
    assert figures["missed"] == missed
    assert result.exit_code == bool(missed)
    assert figures["ready_cpu_s"] > 0
    assert 100 < figures["loaded_mb"] < figures["peak_mb"]


def test_what_keeps_a_worker_from_starting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESHOT_DEVICE", "cuda:99")

    result = CliRunner().invoke(main, ["benchmark", "start", "--rounds", "1"])

    assert result.exit_code == 1
    assert "cuda:99 is not usable here" in result.output
