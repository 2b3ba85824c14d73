"""Images a minute against workers: two real processes at once."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from backend.cli.benchmark_workers import Throughput, table, whole_numbers
from backend.cli.main import main
from tests.tiny_sam import tiny_sam_model


def test_processes_begin_at_once_and_tell_what_they_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tiny SAM of random weights: what it finds does not matter."""
    tiny_sam_model().save_pretrained(tmp_path)
    monkeypatch.setenv("ONESHOT_SAM", str(tmp_path))
    monkeypatch.setenv("ONESHOT_SEMANTICS", "sam")

    result = CliRunner().invoke(main, ["benchmark", "workers", "--counts", "1,2", "--images", "1", "--json"])

    answer = json.loads(result.stdout)
    assert [(one["workers"], one["images"], one["true"]) for one in answer["workers"]] == [
        (1, 1, 10),
        (2, 2, 20),
    ]
    assert all(one["per_minute"] > 0 and one["cpu_s"] > 0 for one in answer["workers"])


def test_a_worker_that_cannot_start_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESHOT_DEVICE", "cuda:99")

    result = CliRunner().invoke(main, ["benchmark", "workers", "--counts", "1", "--images", "1"])

    assert result.exit_code == 1
    assert "expected a worker to answer" in result.output


def test_images_a_minute_are_counted_by_both_clocks() -> None:
    """Two workers, 4 images in 6 s on the wall and in 8 s of a core: 40 a minute, 60 with a core each."""
    figures = Throughput(2, 4, wall_s=6, cpu_s=8, true=40, found=39)

    assert table([figures])[1].split() == ["2", "4", "39", "40", "40.0", "60.0"]


def test_numbers_of_workers_are_whole() -> None:
    assert whole_numbers("1, 2,4") == [1, 2, 4]
    for text in ("", "0", "1.5"):
        with pytest.raises(click.UsageError, match="expected"):
            whole_numbers(text)
