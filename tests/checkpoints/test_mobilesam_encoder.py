"""The image encoder in torch says what its ONNX file says."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cosine_similarity

from backend.checkpoints import mobilesam_encoder
from backend.checkpoints.errors import DamagedDownloadError, UnusableCheckpointError
from backend.checkpoints.mobilesam import ENCODER, ENCODER_ONNX
from backend.checkpoints.mobilesam_encoder import MARGIN, MobileSamEncoder, encoder_weights, shown_cells
from backend.checkpoints.tiny_vit import TinyViT
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
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_int8_each_cell_looks_the_same_way(
    weights: Path, square: Tensor, published: Tensor, dtype: torch.dtype
) -> None:
    """On CPUs without VNNI, too, which have half as many levels."""
    features = MobileSamEncoder(weights / ENCODER, CPU, dtype, int8=True)(square)

    assert features.dtype == torch.float32
    assert cosine_similarity(features, published).min() > 0.999


@pytest.mark.weights
def test_in_float16_nothing_is_too_large(weights: Path) -> None:
    """GPUs before Ampere compute with it; a strip of an image, for CPUs are slow with it."""
    pixels = preprocess(coins_image()[:30, :300], (102, 1024), 1024)[..., :112, :]
    network = TinyViT().eval()
    network.load_state_dict(load_file(weights / ENCODER))
    with torch.no_grad():
        plain, short = (
            network.to(dtype)(pixels.to(dtype)).float() for dtype in (torch.float32, torch.float16)
        )

    assert cosine_similarity(short, plain).min() > 0.9999


@pytest.mark.weights
@pytest.mark.parametrize("size_hw", [(288, 384), (303, 227)], ids=["wide", "high"])
def test_without_most_of_the_padding_the_image_is_described_alike(
    weights: Path, size_hw: tuple[int, int]
) -> None:
    """What is left out changes the cells at the edge most; the other cells are those of padding."""
    height, width = size_hw
    resized = resized_size(height, width, 1024)
    pixels = preprocess(coins_image()[:height, :width], resized, 1024)
    rows, columns = shown_cells(pixels)

    encoder = MobileSamEncoder(weights / ENCODER, CPU, torch.float32)
    features, padding = encoder(pixels), encoder(torch.zeros_like(pixels))

    shown = cosine_similarity(features, by_onnxruntime(weights, pixels))[0, :rows, :columns]
    assert (rows, columns) == tuple(-(-side // 16) for side in resized)
    assert shown.mean() > 0.995
    assert shown.min() > 0.8
    assert torch.equal(features[..., rows:, :], padding[..., rows:, :])
    assert torch.equal(features[..., columns:], padding[..., columns:])


@pytest.mark.weights
def test_several_images_at_once_are_as_one_by_one(weights: Path) -> None:
    """Of one size: the padding that all have is left out."""
    encoder = MobileSamEncoder(weights / ENCODER, CPU, torch.float32)
    one, other = (preprocess(coins_image()[a : a + 100], (267, 1024), 1024) for a in (0, 150))

    both = encoder(torch.cat([one, other]))

    torch.testing.assert_close(both, torch.cat([encoder(one), encoder(other)]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "columns", "cells"),
    [(1024, 1024, (64, 64)), (768, 1024, (48, 64)), (1024, 1, (64, 1)), (17, 32, (2, 2)), (0, 0, (1, 1))],
)
def test_zeros_on_the_right_and_below_are_padding(rows: int, columns: int, cells: tuple[int, int]) -> None:
    pixels = torch.zeros(1, 3, 1024, 1024)
    pixels[..., :rows, :columns] = 0.1

    assert shown_cells(pixels) == cells


def test_other_numbers_to_compute_with_have_another_name(weights: Path) -> None:
    """Features of both are kept in one cache; the margin is part of how they come about."""
    names = {
        MobileSamEncoder(weights / ENCODER, CPU, dtype, int8=int8).numerics
        for dtype in (torch.float32, torch.bfloat16)
        for int8 in (False, True)
    }

    assert len(names) == 4
    assert f"torch torch.bfloat16 margin {MARGIN}, padding beyond" in names


def test_int8_of_more_or_fewer_levels_has_another_name(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mobilesam_encoder, "usable_levels", lambda: 128)

    numerics = MobileSamEncoder(weights / ENCODER, CPU, int8=True).numerics

    assert numerics == f"torch torch.float32 int8 of 128 levels margin {MARGIN}, padding beyond"


def test_a_damaged_file_of_weights_is_refused(tmp_path: Path) -> None:
    """With what to do about it, instead of an encoder with random weights."""
    (tmp_path / ENCODER).write_bytes(b"half")

    with pytest.raises(UnusableCheckpointError, match=r"image encoder.*checkpoints fetch"):
        MobileSamEncoder(tmp_path / ENCODER, CPU)


def test_another_onnx_file_is_refused(tmp_path: Path) -> None:
    weight = helper.make_tensor("some.other.weight", TensorProto.FLOAT, [1], [1.0])
    onnx.save(helper.make_model(helper.make_graph([], "other", [], [], [weight])), tmp_path / "encoder.onnx")

    with pytest.raises(DamagedDownloadError, match=r"encoder.onnx: missing.*unexpected.*some.other"):
        encoder_weights(tmp_path / "encoder.onnx")
