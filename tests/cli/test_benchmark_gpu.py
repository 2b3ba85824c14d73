"""The benchmark of GPUs, on a CPU with tiny networks: the code runs, and compares what it says it does."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode
from transformers import SamVisionConfig

from backend.cli.benchmark_gpu import gpu_figures
from backend.cli.main import main
from backend.evaluation.gpu_speed import OURS, PEER, SHAPES, EncoderSpeed, encoder_operations, random_sam
from backend.evaluation.job_speed import JobCost
from tests.tiny_sam import tiny_sam_model

ON_CPU = "benchmark gpu --device cpu --sizes tiny --no-compile --images 1 --rounds 1 --matrix-side 64"


def test_it_runs_from_the_encoder_to_whole_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_sam_model().save_pretrained(tmp_path)
    monkeypatch.setenv("ONESHOT_SAM", str(tmp_path))
    monkeypatch.setenv("ONESHOT_SEMANTICS", "sam")
    file = tmp_path / "gpu.json"

    result = CliRunner().invoke(main, [*ON_CPU.split(), "--batches", "1,2", "--json", str(file)])

    assert result.exit_code == 0, result.output
    answer = json.loads(file.read_text())
    assert [(one["way"], one["batch"]) for one in answer["encoders"]] == [
        (PEER, 1),
        (f"{OURS}, float32", 1),
        (f"{OURS}, float32", 2),
    ]
    assert [one["way"] for one in answer["whole"]["tiny"]] == [OURS, PEER]
    assert all(one["images_per_s"] > 0 and one["share"] > 0 for one in answer["encoders"])
    assert answer["machine"]["device"] == "cpu"
    assert "tiny, whole by SamModel's" in result.stdout


@pytest.mark.parametrize("device", ["cuda", "cuda:77"])
def test_without_a_gpu_it_says_so(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)

    result = CliRunner().invoke(main, ["benchmark", "gpu", "--device", device])

    assert result.exit_code == 1
    assert "expected an NVIDIA GPU, but torch" in result.output


def test_sizes_are_known_ones() -> None:
    result = CliRunner().invoke(main, ["benchmark", "gpu", "--sizes", "vit-g"])

    assert result.exit_code == 2
    assert "among vit-l, vit-h, tiny" in result.output


@pytest.mark.parametrize("size", ["vit-l", "vit-h"])
def test_operations_are_those_that_torch_counts_without_the_padding_of_windows(size: str) -> None:
    """Windows of 14 x 14 pad 64 x 64 tokens to 70 x 70; nothing is computed here."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        random_sam(size, torch.device("meta")).get_image_embeddings(torch.zeros(1, 3, 1024, 1024))

    operations = encoder_operations(SamVisionConfig(**SHAPES[size]))

    assert 0.9 < operations / counter.get_total_flops() < 1


def test_the_best_way_counts() -> None:
    """Ten images a second against two, at 70 % of the matrices' rate; whole images in 250 ms against 1 s."""
    speeds = [
        EncoderSpeed("vit-h", PEER, 1, 2.0, 10.0, 0.1),
        EncoderSpeed("vit-h", OURS, 1, 6.0, 30.0, 0.4),
        EncoderSpeed("vit-h", f"{OURS}, compiled", 8, 10.0, 50.0, 0.7),
    ]
    costs = [
        JobCost(OURS, 1, 10, 1.0, cpu_ms=1, wall_ms=250, encode_ms=1),
        JobCost(PEER, 1, 10, 1.0, cpu_ms=1, wall_ms=1000, encode_ms=1),
    ]

    figures = gpu_figures(speeds, {"vit-h": costs})

    assert [figure.value for figure in figures] == [10, 5, 0.7, 4, 4]
    assert not any(figure.missed for figure in figures)
