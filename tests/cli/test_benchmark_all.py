"""All benchmarks in one run: what is compared with which target, and what is written."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_all import (
    PARTS,
    chosen_parts,
    encoder_figures,
    grown,
    search_figures,
    workers_growth,
)
from backend.cli.benchmark_figures import Figure, lines
from backend.cli.benchmark_workers import Throughput
from backend.cli.main import main
from backend.evaluation.search_speed import FitCost, SearchCost
from backend.evaluation.speed import Timing
from tests.tiny_sam import tiny_sam_model


def test_parts_that_were_chosen_are_measured_written_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Growth of a tiny SAM of random weights: targets may be missed, the command does not fail for that."""
    tiny_sam_model().save_pretrained(tmp_path)
    monkeypatch.setenv("ONESHOT_SAM", str(tmp_path))
    monkeypatch.setenv("ONESHOT_SEMANTICS", "sam")
    monkeypatch.setenv("ONESHOT_DEVICE", "cpu")
    small = "--rounds 1 --images 1 --things 1,2 --megapixels 0.1,0.2 --workers 1 --only things,workers,pixels"
    files = ["--json", str(tmp_path / "all.json"), "--plot", str(tmp_path / "growth.svg")]

    result = CliRunner().invoke(main, ["benchmark", "all", *small.split(), *files])

    assert result.exit_code == 0, result.output
    assert "growth, 1 to 2 things" in result.stdout
    assert "ONESHOT_SEMANTICS  sam" in result.stdout
    written = json.loads((tmp_path / "all.json").read_text())
    assert list(written["details"]) == ["things", "pixels", "workers"]
    assert [row["bound"] for row in written["figures"]] == [1.0, 1.0, 0.9]
    assert written["machine"]["torch"]
    root = ET.fromstring((tmp_path / "growth.svg").read_text())  # noqa: S314 - our own
    assert len(list(root.iter("{http://www.w3.org/2000/svg}circle"))) == 2 + 2 + 2


def test_a_measurement_that_cannot_be_made_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONESHOT_DEVICE", "cuda:99")

    result = CliRunner().invoke(main, ["benchmark", "all", "--only", "start"])

    assert result.exit_code == 1
    assert "cuda:99 is not usable here" in result.output


def test_parts_are_run_in_one_order_and_none_is_made_up() -> None:
    assert chosen_parts("") == list(PARTS)
    assert chosen_parts("rle, encoder") == ["encoder", "rle"]
    result = CliRunner().invoke(main, ["benchmark", "all", "--only", "rle,magic"])
    assert result.exit_code == 2
    assert "got magic" in result.output


def test_the_table_says_what_is_met() -> None:
    told = lines(
        [Figure("ready", 4, "s", 5.0), Figure("job", 2, "times", 4.0, "at least"), Figure("x", 1, "")]
    )

    assert [line.split() for line in told[1:]] == [
        ["ready", "4", "at", "most", "5", "yes", "s"],
        ["job", "2", "at", "least", "4", "NO", "times"],
        ["x", "1"],
    ]


def test_the_encoder_counts_as_this_machine_runs_it() -> None:
    """Three times as fast in bf16; an image of 4:3 takes 80 ms of 100."""
    timings = [
        Timing(case, way, cpu_ms, cpu_ms, 300 / cpu_ms)
        for case, way, cpu_ms in [
            ("square", "onnxruntime float32", 300.0),
            ("square", "torch bfloat16", 100.0),
            ("4:3", "onnxruntime float32", 300.0),
            ("4:3", "torch bfloat16", 80.0),
        ]
    ]

    square, wide, share = encoder_figures(timings, least=2.0)

    assert (square.value, square.bound, square.missed) == (3, 2.0, False)
    assert wide.value == 3.75
    assert (share.value, share.missed) == (0.8, True)


def test_the_search_is_compared_with_persam() -> None:
    """20 ms an instance against 80; a check of 20 ms in an image of 300."""
    own = SearchCost("pipeline", 10, 1.0, 10, 1.0, encode_ms=100, check_ms=20, after_ms=200)
    loop = SearchCost("sam-loop", 10, 1.0, 10, 1.0, encode_ms=100, check_ms=0, after_ms=300)
    cascade = SearchCost("persam-loop", 10, 1.0, 10, 0.9, encode_ms=100, check_ms=0, after_ms=800)
    fit = FitCost(100, 50_000, (0.0, 1.0, 0.0), (0.1, 0.9, 0.0), loss=0.01, published_loss=0.02)

    figures = search_figures(own, {"sam-loop": loop, "persam-loop": cascade}, fit)

    assert [figure.value for figure in figures] == pytest.approx([4, 1.5, -0.1, 500, -0.01, 20 / 300])
    assert not any(figure.missed for figure in figures)


def test_growth_is_told_as_a_share_of_what_linear_would_be() -> None:
    """Ten times the things in five times the time; two workers get 1.9 times as much done."""
    part = grown("things", "Things", "things", [(1, 2.0), (10, 10.0)], [])
    workers = workers_growth(
        [Throughput(1, 4, wall_s=4, cpu_s=3.8, true=1, found=1), Throughput(2, 8, 5, 8, 1, 1)]
    )

    assert part.figures[0].value == 0.5
    assert workers.figures[0].value == pytest.approx(0.95)
    assert not part.figures[0].missed
    assert not workers.figures[0].missed
