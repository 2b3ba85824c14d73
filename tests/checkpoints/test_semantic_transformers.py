"""Transformers' networks as semantic encoders: the numbers are those of transformers itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    BeitConfig,
    BeitModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    DeiTConfig,
    DeiTModel,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    ResNetConfig,
    ResNetModel,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from backend.checkpoints.errors import UnusableCheckpointError, UnusableDeviceError
from backend.checkpoints.semantic import open_semantic
from backend.vision.sam import ImageEmbedding, resized_size
from backend.vision.semantics import CropEncoder
from backend.worker.models import semantic_encoder
from tests.tiny_sam import tiny_sam_model
from tests.tiny_semantics import (
    MEAN,
    PATCH,
    PICTURE,
    SIDE,
    STAGES,
    STD,
    TOWER,
    save_clip,
    save_convnext,
    save_dinov2,
    save_processor,
    save_siglip,
    save_siglip_with_sentences,
    save_vit,
)

Save = Callable[[Path], Path]
SAVES: list[Save] = [save_vit, save_dinov2, save_convnext, save_clip, save_siglip]
TEXT = "a photo of a fig"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def encoder_of(folder: Path) -> CropEncoder:
    """The encoder as the core gets it."""
    encoder = semantic_encoder(str(folder), cache_dir=folder / "cache", device="cpu")
    assert isinstance(encoder, CropEncoder)
    return encoder


def noise(*shape: int) -> NDArray[np.uint8]:
    """A picture in which no place is like another."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def own_inputs(folder: Path, images: list[NDArray[np.uint8]]) -> Any:
    """What transformers' own image processor makes of images that have the right size."""
    processor = AutoImageProcessor.from_pretrained(folder)
    return processor(images=images, do_resize=False, return_tensors="pt")


def own_vectors(model: Any, inputs: Any) -> Tensor:
    """Image features as transformers computes them: of CLIP and SigLIP their own, of others the mean."""
    if hasattr(model, "get_image_features"):
        features: Tensor = model.get_image_features(**inputs).pooler_output
        return features
    state: Tensor = model(**inputs).last_hidden_state
    return state.mean(dim=(2, 3)) if state.ndim == 4 else state[:, 1:].mean(dim=1)


@pytest.mark.parametrize("save", SAVES)
def test_vectors_are_what_transformers_computes(save: Save, tmp_path: Path) -> None:
    """With its own image processor, on more crops than one pass holds."""
    folder = save(tmp_path / "tiny")
    crops = noise(18, SIDE, SIDE, 3)

    vectors = encoder_of(folder).crop_vectors(torch.from_numpy(crops).permute(0, 3, 1, 2))

    with torch.no_grad():
        own = own_vectors(AutoModel.from_pretrained(folder), own_inputs(folder, list(crops)))
    torch.testing.assert_close(vectors, normalize(own, dim=1), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(vectors[0], vectors[1], atol=1e-3)


@pytest.mark.parametrize("save", [save_vit, save_dinov2])
def test_a_dense_map_is_what_transformers_computes(save: Save, tmp_path: Path) -> None:
    """A wide image whose patches are the cells of the embedding: token by token, row by row."""
    folder = save(tmp_path / "tiny")
    image = noise(16 * PATCH, 32 * PATCH, 3)
    embedding = ImageEmbedding(torch.zeros(2, 32, 32), (128, 256), resized_size(128, 256, 64), 64)

    dense = encoder_of(folder).dense(image, embedding)

    model, inputs = AutoModel.from_pretrained(folder), own_inputs(folder, [image])
    size = {"interpolate_pos_encoding": True} if save is save_vit else {}
    with torch.no_grad():
        tokens = normalize(model(**inputs, **size).last_hidden_state[0, 1:], dim=1)
    torch.testing.assert_close(dense[:, :16].flatten(1).T, tokens, atol=1e-4, rtol=1e-3)
    assert not dense[:, 16:].any()


def test_clips_patches_go_the_way_of_its_class_token(tmp_path: Path) -> None:
    """Normalised and projected; on a picture that is not square."""
    folder = save_clip(tmp_path / "tiny")
    pixels = torch.randn(1, 3, 2 * PATCH, 3 * PATCH, generator=torch.Generator().manual_seed(0))

    with torch.no_grad():
        features = open_semantic(str(folder), cache_dir=tmp_path).features(pixels)

        model = AutoModel.from_pretrained(folder)
        tokens = model.vision_model(pixels, interpolate_pos_encoding=True).last_hidden_state[0, 1:]
        own = model.visual_projection(model.vision_model.post_layernorm(tokens))
    assert features.shape == (1, 12, 2, 3)
    torch.testing.assert_close(features[0, :, 1, 0], own[3])
    torch.testing.assert_close(features[0, :, 0, 2], own[2])


def test_a_picture_of_one_patch_is_to_siglip_what_its_patch_is(tmp_path: Path) -> None:
    """The head that pools all patches pools each alone."""
    folder = save_siglip(tmp_path / "tiny")
    checkpoint = open_semantic(str(folder), cache_dir=tmp_path)
    pixels = torch.randn(2, 3, PATCH, PATCH, generator=torch.Generator().manual_seed(0))
    assert checkpoint.pooled is not None

    with torch.no_grad():
        alone, wide = checkpoint.features(pixels), checkpoint.features(pixels.repeat(1, 1, 2, 3))
        pooled = checkpoint.pooled(pixels)

    torch.testing.assert_close(alone[:, :, 0, 0], pooled)
    assert wide.shape == (2, 16, 2, 3)


@pytest.mark.parametrize(
    ("save", "padding"),
    [(save_clip, False), (save_siglip, "max_length"), (save_siglip_with_sentences, "max_length")],
)
def test_text_vectors_are_what_transformers_computes(save: Save, padding: object, tmp_path: Path) -> None:
    """SigLIP was trained on texts of full length; a label in capitals is the same label."""
    folder = save(tmp_path / "tiny")
    encoder = encoder_of(folder)

    vector, other = encoder.text_vector("FIG"), encoder.text_vector("date")

    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer([TEXT], padding=padding, max_length=24, truncation=True, return_tensors="pt")
    with torch.no_grad():
        own = model.get_text_features(input_ids=tokens["input_ids"]).pooler_output[0]
        scale = float(model.logit_scale.exp())
    assert vector is not None
    assert other is not None
    torch.testing.assert_close(vector, normalize(own, dim=0))
    assert not torch.allclose(vector, other, atol=1e-3)
    assert encoder.text_scale == pytest.approx(scale)


def test_a_label_longer_than_the_encoder_reads_is_cut(tmp_path: Path) -> None:
    encoder = encoder_of(save_clip(tmp_path / "tiny"))

    vector = encoder.text_vector("dried fig of a farm " * 10)

    assert vector is not None
    assert float(vector.norm()) == pytest.approx(1)


@pytest.mark.parametrize("save", [save_vit, save_dinov2, save_convnext])
def test_an_encoder_of_images_alone_cannot_read(save: Save, tmp_path: Path) -> None:
    assert encoder_of(save(tmp_path / "tiny")).text_vector("fig") is None


def test_the_image_processor_says_what_grey_is(tmp_path: Path) -> None:
    encoder = encoder_of(save_vit(tmp_path / "tiny"))

    assert encoder.input_size == SIDE
    assert encoder.mean == pytest.approx([255 * value for value in MEAN])
    assert encoder.std == pytest.approx([255 * value for value in STD])


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (
            {"do_center_crop": True, "crop_size": {"height": 16, "width": 16}, "size": {"shortest_edge": 24}},
            16,
        ),
        ({"do_center_crop": False, "size": {"shortest_edge": 24}}, 24),
        ({"size": 24, "do_center_crop": False}, 24),
    ],
    ids=["cut from the middle", "shortest edge", "one number"],
)
def test_a_crop_has_the_size_that_the_network_sees_in_the_end(
    settings: dict[str, object], size: int, tmp_path: Path
) -> None:
    folder = save_vit(tmp_path / "tiny")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))

    assert encoder_of(folder).input_size == size


def test_a_processor_that_does_not_normalise_leaves_pixels_between_0_and_1(tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "tiny")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"do_normalize": False}))

    pixels = encoder_of(folder).normalised(torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2))

    assert pixels[0, 0, 0].tolist() == pytest.approx([0, 1])


def test_a_classifier_serves_without_its_classes(tmp_path: Path) -> None:
    """It comes without the pooling layer, which is not used."""
    ViTForImageClassification(ViTConfig(**TOWER, **PICTURE)).save_pretrained(tmp_path / "tiny")
    folder = save_processor(tmp_path / "tiny")

    assert encoder_of(folder).crop_vectors(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8)).shape == (1, 16)


def test_half_precision_on_the_disk_is_single_precision_in_memory(tmp_path: Path) -> None:
    """A CPU computes badly in half precision."""
    ViTModel(ViTConfig(**TOWER, **PICTURE)).to(torch.bfloat16).save_pretrained(tmp_path / "tiny")
    folder = save_processor(tmp_path / "tiny")

    vectors = encoder_of(folder).crop_vectors(torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8))

    assert vectors.dtype == torch.float32


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"half"),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "preprocessor_config.json").unlink(),
    ],
    ids=["no weights", "half the weights", "half the config", "no image processor"],
)
def test_an_unusable_folder_is_refused(damage: Callable[[Path], object], tmp_path: Path) -> None:
    folder = save_vit(tmp_path / "tiny")
    damage(folder)

    with pytest.raises(UnusableCheckpointError, match=r"cannot open.*ONESHOT_SEMANTICS takes `efficientnet"):
        open_semantic(str(folder), cache_dir=tmp_path)


def test_a_reader_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    """Without it the labels' names would silently say nothing."""
    folder = save_clip(tmp_path / "tiny")
    for file in folder.glob("tokenizer*"):
        file.unlink()

    with pytest.raises(UnusableCheckpointError, match="expected a tokenizer of 54 tokens"):
        open_semantic(str(folder), cache_dir=tmp_path)


def test_missing_weights_are_never_made_up(tmp_path: Path) -> None:
    """Left alone, transformers would only warn and leave them random."""
    folder = save_vit(tmp_path / "tiny")
    model = ViTModel(ViTConfig(**TOWER, **PICTURE))
    weights = {name: weight for name, weight in model.state_dict().items() if "cls_token" not in name}
    model.save_pretrained(folder, state_dict=weights)

    with pytest.raises(UnusableCheckpointError, match=r"lacks the weights.*cls_token"):
        open_semantic(str(folder), cache_dir=tmp_path)


def save_sam(folder: Path) -> None:
    tiny_sam_model().save_pretrained(folder)


def save_text_model(folder: Path) -> None:
    CLIPTextModel(CLIPTextConfig(**TOWER, vocab_size=10)).save_pretrained(folder)


def save_swin(folder: Path) -> None:
    """Its windows merge on the way: fewer tokens than patches."""
    config = SwinConfig(embed_dim=8, depths=[1, 1], num_heads=[1, 1], window_size=2, image_size=SIDE)
    SwinModel(config).save_pretrained(folder)


@pytest.mark.parametrize("save", [save_sam, save_text_model, save_swin])
def test_a_family_that_cannot_work_is_refused_with_those_that_can(
    save: Callable[[Path], None], tmp_path: Path
) -> None:
    save(tmp_path / "tiny")
    folder = save_processor(tmp_path / "tiny")

    with pytest.raises(UnusableCheckpointError, match="Families that work: CLIP, SigLIP, ViT, DeiT"):
        open_semantic(str(folder), cache_dir=tmp_path)


FAMILIES = [
    pytest.param(lambda: BeitModel(BeitConfig(**TOWER, **PICTURE)), PATCH, id="BEiT"),
    pytest.param(lambda: CLIPVisionModel(CLIPVisionConfig(**TOWER, **PICTURE)), PATCH, id="half of CLIP"),
    pytest.param(lambda: DeiTModel(DeiTConfig(**TOWER, **PICTURE)), PATCH, id="DeiT"),
    pytest.param(
        lambda: Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**TOWER, **PICTURE, mlp_ratio=2)),
        PATCH,
        id="DINOv2 with registers",
    ),
    pytest.param(lambda: DINOv3ViTModel(DINOv3ViTConfig(**TOWER, **PICTURE)), PATCH, id="DINOv3"),
    pytest.param(lambda: ResNetModel(ResNetConfig(**STAGES, embedding_size=4)), 32, id="ResNet"),
]


@pytest.mark.parametrize(("model", "stride"), FAMILIES)
def test_the_families_that_can_work_do(model: Callable[[], Any], stride: int, tmp_path: Path) -> None:
    """On a picture that is not square; class tokens and registers are not patches."""
    model().save_pretrained(tmp_path / "tiny")
    checkpoint = open_semantic(str(save_processor(tmp_path / "tiny")), cache_dir=tmp_path)

    with torch.no_grad():
        features = checkpoint.features(torch.zeros(1, 3, 2 * stride, 3 * stride))

    assert checkpoint.stride == stride
    assert features.shape == (1, 16, 2, 3)


def test_the_one_file_of_a_whole_processor_serves_as_well(tmp_path: Path) -> None:
    """Newer checkpoints keep the image processor's settings beside the tokenizer's."""
    folder = save_clip(tmp_path / "tiny")
    images, words = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    CLIPProcessor(images, words).save_pretrained(folder)
    (folder / "preprocessor_config.json").unlink()

    assert encoder_of(folder).mean == pytest.approx([255 * value for value in MEAN])


@pytest.mark.parametrize("name", ["nobody/no-such-checkpoint", "/no/such/folder", "not a name"])
def test_a_name_of_nothing_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableCheckpointError, match=f"cannot open '{name}'"):
        open_semantic(name, cache_dir=tmp_path)


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableDeviceError, match="ONESHOT_DEVICE=auto"):
        open_semantic("efficientnet-lite0", cache_dir=tmp_path, device="cuda:99")
