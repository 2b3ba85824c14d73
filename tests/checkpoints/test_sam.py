"""Opening SAM checkpoints, MobileSAM's and anyone's."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from backend.checkpoints.errors import UnusableCheckpointError, UnusableDeviceError
from backend.checkpoints.sam import open_sam
from backend.vision.sam import Sam
from tests.tiny_sam import CHANNELS, INPUT_SIZE, SIDE, tiny_sam_model


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole SAM checkpoint of the real architecture, as save_pretrained writes it."""
    tiny_sam_model().save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_any_transformers_sam_checkpoint_opens(folder: Path, tmp_path: Path) -> None:
    """The weights are the saved ones, and the size of the square comes from the checkpoint."""
    checkpoint = open_sam(str(folder), cache_dir=tmp_path)

    pixels = torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE)
    assert checkpoint.name == str(folder)
    assert checkpoint.input_size == INPUT_SIZE
    assert checkpoint.products == torch.float32
    torch.testing.assert_close(
        checkpoint.encode_pixels(pixels), tiny_sam_model().get_image_embeddings(pixels)
    )
    assert not checkpoint.model.training
    assert not any(parameter.requires_grad for parameter in checkpoint.model.parameters())


def test_an_open_checkpoint_is_what_the_core_takes(folder: Path, tmp_path: Path) -> None:
    checkpoint = open_sam(str(folder), cache_dir=tmp_path)

    sam = Sam(checkpoint.model, checkpoint.encode_pixels, input_size=checkpoint.input_size)

    image = torch.zeros(3, 5, 3, dtype=torch.uint8).numpy()
    assert sam.embed(image).features.shape == (CHANNELS, SIDE, SIDE)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot open"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"half"), "cannot open"),
        (lambda folder: (folder / "config.json").unlink(), "cannot open"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot open"),
    ],
    ids=["no weights", "half the weights", "no config", "half the config"],
)
def test_an_unusable_folder_is_refused(folder: Path, tmp_path: Path, damage: object, message: str) -> None:
    damage(folder)  # type: ignore[operator]

    with pytest.raises(UnusableCheckpointError, match=message) as caught:
        open_sam(str(folder), cache_dir=tmp_path)

    assert "facebook/sam-vit-base" in str(caught.value)


def test_missing_weights_are_never_made_up(folder: Path, tmp_path: Path) -> None:
    """Left alone, transformers would only warn and leave them random."""
    model = tiny_sam_model()
    weights = {name: weight for name, weight in model.state_dict().items() if "mask_tokens" not in name}
    model.save_pretrained(folder, state_dict=weights)

    with pytest.raises(UnusableCheckpointError, match=r"lacks the weights.*mask_tokens"):
        open_sam(str(folder), cache_dir=tmp_path)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    config = CLIPTextConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=10
    )
    CLIPTextModel(config).save_pretrained(tmp_path / "clip")

    with pytest.raises(
        UnusableCheckpointError, match=r"expected a SAM checkpoint.*got architecture 'clip_text"
    ):
        open_sam(str(tmp_path / "clip"), cache_dir=tmp_path)


@pytest.mark.parametrize("name", ["nobody/no-such-checkpoint", "/no/such/folder", "not a name"])
def test_a_name_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableCheckpointError, match=f"cannot open '{name}'"):
        open_sam(name, cache_dir=tmp_path)


def test_a_device_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnusableDeviceError, match="ONESHOT_DEVICE=auto"):
        open_sam(str(folder), cache_dir=tmp_path, device="cuda:99")


@pytest.mark.weights
def test_mobilesam_opens_offline(weights: Path) -> None:
    checkpoint = open_sam("mobilesam", cache_dir=weights.parent, dtype=torch.bfloat16)

    features = checkpoint.encode_pixels(torch.zeros(1, 3, 1024, 1024))
    assert checkpoint.name == "mobilesam"
    assert checkpoint.input_size == 1024
    assert checkpoint.products == torch.bfloat16
    assert checkpoint.numerics.startswith("torch torch.bfloat16")
    assert isinstance(features, torch.Tensor)
    assert features.shape == (1, 256, 64, 64)
    assert features.dtype == torch.float32
