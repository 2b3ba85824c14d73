"""The benchmark of a whole job: what it compares, and what it says of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from backend.cli.benchmark_job import LEFT_OUT, said, table, times
from backend.cli.main import main
from backend.evaluation.job_peers import LOOP, PERSAM_LOOP, VIT_LOOP
from backend.evaluation.job_speed import COLD, KEPT, JobCost
from tests.tiny_sam import tiny_sam_model


def costs() -> list[JobCost]:
    """Cold 10 times as fast as the first peer, from kept embeddings 20 times."""
    return [
        JobCost(COLD, 2, 20, 1.0, cpu_ms=1000, wall_ms=1200, encode_ms=400),
        JobCost(KEPT, 2, 20, 1.0, cpu_ms=500, wall_ms=600, encode_ms=40),
        JobCost(VIT_LOOP, 1, 9, 0.9, cpu_ms=10_000, wall_ms=6000, encode_ms=8000),
    ]


@pytest.mark.weights
def test_a_whole_job_is_compared_with_all_peers(weights: object) -> None:  # noqa: ARG001
    """One image of one coin, which all of them find; kept embeddings are all found again."""
    command = "benchmark job --images 1 --things 1 --peer-images 1 --json"
    result = CliRunner().invoke(main, command.split())

    answer = json.loads(result.stdout)
    found = {one["way"]: one for one in answer["costs"]}
    assert list(found) == [COLD, KEPT, VIT_LOOP, LOOP, PERSAM_LOOP]
    assert all(one["f1"] == 1 and 0 < one["encode_ms"] < one["cpu_ms"] for one in found.values())
    assert found[KEPT]["encode_ms"] < found[COLD]["encode_ms"] < found[VIT_LOOP]["encode_ms"]
    assert answer["machine"]["kept embeddings"] == "2 hit"
    assert len(answer["times"]) == 4


@pytest.mark.parametrize(("peer_images", "told"), [(1, [LEFT_OUT]), (0, [])])
def test_with_another_checkpoint_this_program_is_timed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer_images: int, told: list[str]
) -> None:
    """Why there are no peers is told where they were asked for."""
    tiny_sam_model().save_pretrained(tmp_path)
    monkeypatch.setenv("ONESHOT_SAM", str(tmp_path))
    monkeypatch.setenv("ONESHOT_SEMANTICS", "sam")

    command = f"benchmark job --images 2 --things 1 --peer-images {peer_images}"
    as_json = CliRunner().invoke(main, [*command.split(), "--json"])
    for_people = CliRunner().invoke(main, command.split())

    answer = json.loads(as_json.stdout)
    assert [(one["way"], one["images"]) for one in answer["costs"]] == [(COLD, 2), (KEPT, 2)]
    assert answer["times"] == []
    assert answer["left_out"] == told
    assert [line for line in for_people.stdout.splitlines() if line == LEFT_OUT] == told


def test_this_programs_ways_are_compared_with_the_first_peers_that_there_are() -> None:
    assert times(costs()) == [
        {"way": COLD, "peer": VIT_LOOP, "cpu": 10, "images_per_minute": 5},
        {"way": KEPT, "peer": VIT_LOOP, "cpu": 20, "images_per_minute": 10},
    ]
    assert times(costs()[:2]) == []


def test_the_table_has_a_line_for_each_way() -> None:
    _, cold, _, peer = table(costs())

    assert cold.removeprefix(COLD).split() == ["2", "20", "1.000", "400", "1000", "1200", "50.0"]
    assert peer.removeprefix(VIT_LOOP).split() == ["1", "9", "0.900", "8000", "10000", "6000", "10.0"]


def test_the_ratios_are_said() -> None:
    first, _ = said(times(costs()))

    assert first == (
        "this program, cold: 10.0 times as fast as SamModel's encoder, loop, in CPU time; "
        "5.0 times the images per minute"
    )


@pytest.mark.parametrize("option", ["--images 0", "--things 0", "--peer-images -1", "--rounds 0"])
def test_there_is_something_to_time(option: str) -> None:
    result = CliRunner().invoke(main, ["benchmark", "job", *option.split()])

    assert result.exit_code == 2
