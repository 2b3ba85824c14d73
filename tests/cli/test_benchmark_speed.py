"""The benchmarks of encoder, brush code and images: what they compare is the same, and is told."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from backend.cli import benchmark_image
from backend.cli.benchmark_image import image_speed, photograph
from backend.cli.benchmark_rle import OURS, PEER, blobs, rle_speed
from backend.cli.main import main
from backend.labelstudio.images import ImageLimits, decode_image, decode_reduced


@pytest.mark.weights
def test_the_encoder_is_compared_with_its_onnx_file(weights: object) -> None:  # noqa: ARG001
    result = CliRunner().invoke(main, ["benchmark", "encoder", "--rounds", "1", "--json"])

    answer = json.loads(result.stdout)
    ways = [(timing["case"], timing["way"]) for timing in answer["timings"]]
    assert ways[:2] == [("square", "onnxruntime float32"), ("square", "torch float32")]
    assert {case for case, _ in ways} == {"square", "4:3", "16:9"}
    assert all(timing["cpu_ms"] > 0 for timing in answer["timings"])
    assert answer["machine"]["torch"]


def test_brush_code_is_compared_with_the_sdks() -> None:
    timings = rle_speed((300, 400), rounds=1)

    assert [(timing.case, timing.way) for timing in timings] == [
        (case, way)
        for case in ("encode 20 objects", "decode 20 objects", "encode 1 object", "decode 1 object")
        for way in (PEER, OURS)
    ]


def test_the_mask_has_things_and_room_around_them() -> None:
    mask = blobs((300, 400), 20)

    assert 0.05 < mask.mean() < 0.5
    assert np.array_equal(mask, blobs((300, 400), 20))


def test_a_photograph_is_decoded_at_both_sizes() -> None:
    data, limits = photograph((2400, 1800)), ImageLimits(enough_side=1200)

    assert decode_image(data, limits=limits).shape == (1800, 2400, 3)
    assert decode_reduced(data, limits=limits).pixels.shape == (900, 1200, 3)


def test_each_size_is_timed_from_bytes_to_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark_image, "SIZES_WH", ((400, 300),))

    result = CliRunner().invoke(main, ["benchmark", "image", "--rounds", "1", "--json"])

    timings = json.loads(result.stdout)["timings"]
    assert [timing["way"] for timing in timings] == [
        timing.way for timing in image_speed((400, 300), limits=ImageLimits(), rounds=1)
    ]
    assert {timing["case"] for timing in timings} == {"400 x 300"}
