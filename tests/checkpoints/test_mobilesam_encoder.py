"""The image encoder in torch says what its ONNX file says."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor
from torch.nn.functional import cosine_similarity

from backend.checkpoints.errors import DamagedDownloadError, UnusableCheckpointError
from backend.checkpoints.mobilesam import ENCODER, ENCODER_ONNX
from backend.checkpoints.mobilesam_encoder import MobileSamEncoder, encoder_weights
from backend.evaluation.coins import coins_image
from backend.vision.sam import preprocess, resized_size

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def square() -> Tensor:
    """Coins that fill the square."""
    return preprocess(coins_image()[:300, :300], (1024, 1024), 1024)


@pytest.fixture(scope="module")
def published(weights: Path, square: Tensor) -> Tensor:
    """What the ONNX file says about them."""
    return by_onnxruntime(weights, square)


def by_onnxruntime(weights: Path, pixels: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(weights / ENCODER_ONNX, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"input": pixels.numpy()})[0])


@pytest.mark.weights
def test_in_float32_it_is_the_onnx_encoder(weights: Path, square: Tensor, published: Tensor) -> None:
    """Within a hundred-thousandth of the range: sums in another order."""
    features = MobileSamEncoder(weights / ENCODER, CPU, torch.float32)(square)

    assert (features - published).abs().max() < 1e-5 * np.ptp(published.numpy())


@pytest.mark.weights
def test_in_bfloat16_each_cell_looks_the_same_way(weights: Path, square: Tensor, published: Tensor) -> None:
    features = MobileSamEncoder(weights / ENCODER, CPU, torch.bfloat16)(square)

    assert features.dtype == torch.float32
    assert cosine_similarity(features, published).min() > 0.999


@pytest.mark.weights
@pytest.mark.parametrize("size_hw", [(288, 384), (303, 227)], ids=["wide", "high"])
def test_an_image_that_is_not_square_is_described_as_by_onnx(weights: Path, size_hw: tuple[int, int]) -> None:
    """Its padding counts: what the encoder says near the image's edge depends on it."""
    height, width = size_hw
    pixels = preprocess(coins_image()[:height, :width], resized_size(height, width, 1024), 1024)

    features = MobileSamEncoder(weights / ENCODER, CPU, torch.float32)(pixels)

    published = by_onnxruntime(weights, pixels)
    assert (features - published).abs().max() < 1e-5 * np.ptp(published.numpy())


@pytest.mark.weights
def test_several_images_at_once_are_as_one_by_one(weights: Path) -> None:
    encoder = MobileSamEncoder(weights / ENCODER, CPU, torch.float32)
    one, other = (preprocess(coins_image()[a : a + 100], (267, 1024), 1024) for a in (0, 150))

    both = encoder(torch.cat([one, other]))

    torch.testing.assert_close(both, torch.cat([encoder(one), encoder(other)]), rtol=1e-4, atol=1e-5)


def test_other_numbers_to_compute_with_have_another_name(weights: Path) -> None:
    """Features of both are kept in one cache."""
    names = [
        MobileSamEncoder(weights / ENCODER, CPU, dtype).numerics for dtype in (torch.float32, torch.bfloat16)
    ]

    assert names == [f"torch torch.{name}" for name in ("float32", "bfloat16")]


def test_a_damaged_file_of_weights_is_refused(tmp_path: Path) -> None:
    """With what to do about it, instead of an encoder with random weights."""
    (tmp_path / ENCODER).write_bytes(b"half")

    with pytest.raises(UnusableCheckpointError, match=r"image encoder.*Delete it"):
        MobileSamEncoder(tmp_path / ENCODER, CPU)


def test_another_onnx_file_is_refused(tmp_path: Path) -> None:
    weight = helper.make_tensor("some.other.weight", TensorProto.FLOAT, [1], [1.0])
    onnx.save(helper.make_model(helper.make_graph([], "other", [], [], [weight])), tmp_path / "encoder.onnx")

    with pytest.raises(DamagedDownloadError, match=r"encoder.onnx: missing.*unexpected.*some.other"):
        encoder_weights(tmp_path / "encoder.onnx")
