"""The families of SAM that can be opened: transformers' class of each, and how it sees an image.

Each gives the features on which prompts are answered first, and after them what the family's mask decoder
needs besides. That depends on the image alone, so it is computed once for all prompts.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from backend.checkpoints.errors import UnusableCheckpointError

Encode = Callable[[PreTrainedModel, Tensor], Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class Family:
    """One family of SAM.

    Attributes:
        title: what people call it.
        class_name: its model in transformers.
        encode: a model and its pixels (1, 3, side, side) float to features (1, C, h, w), or to
            them and finer ones.
    """

    title: str
    class_name: str
    encode: Encode


def encode_sam(model: PreTrainedModel, pixels: Tensor) -> Tensor:
    """Features (1, C, h, w)."""
    return model.get_image_embeddings(pixels)  # type: ignore[no-any-return]


@torch.no_grad()
def encode_sam_hq(model: PreTrainedModel, pixels: Tensor) -> tuple[Tensor, ...]:
    """Features (1, C, h, w), and finer ones (1, C / 8, 4h, 4w) made of them and of an early layer."""
    features, early = model.get_image_embeddings(pixels)
    decoder = model.mask_decoder
    fine = decoder.encoder_conv2(decoder.activation(decoder.encoder_norm(decoder.encoder_conv1(features))))
    for layer in early[:1]:
        halfway = decoder.compress_vit_norm(decoder.compress_vit_conv1(layer.permute(0, 3, 1, 2)))
        fine = fine + decoder.compress_vit_conv2(decoder.activation(halfway))
    return features, fine


def encode_sam2(model: PreTrainedModel, pixels: Tensor) -> tuple[Tensor, ...]:
    """Features (1, C, h, w), and those of two finer grids: (1, C / 8, 4h, 4w) and (1, C / 4, 2h, 2w)."""
    *fine, features = model.get_image_embeddings(pixels)
    return features, *fine


SAM = Family("SAM", "SamModel", encode_sam)
SAM_HQ = Family("SAM-HQ", "SamHQModel", encode_sam_hq)
SAM2 = Family("SAM 2.1", "Sam2Model", encode_sam2)
EDGETAM = Family("EdgeTAM", "EdgeTamModel", encode_sam2)
FAMILIES = {
    "sam": SAM,
    "sam_hq": SAM_HQ,
    "sam2": SAM2,
    "sam2_video": SAM2,  # as SAM 2.1 is published: the model for images, and a memory that is left out
    "edgetam": EDGETAM,
    "edgetam_video": EDGETAM,
}
USABLE = (
    "ONESHOT_SAM takes `mobilesam`, or a transformers checkpoint of SAM, SAM-HQ, SAM 2, SAM 2.1 or EdgeTAM: "
    "a hub id such as facebook/sam-vit-base, or a folder written by save_pretrained"
)


def family_of(name: str, config: PreTrainedConfig) -> Family:
    """The family of a checkpoint.

    Args:
        name: of the checkpoint.
        config: its configuration.

    Raises:
        UnusableCheckpointError: it is none of the families, or needs timm and there is none.
    """
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise UnusableCheckpointError(
            f"expected a SAM checkpoint in {name}, got architecture {config.model_type!r}. {USABLE}"
        )
    backbone = getattr(config.vision_config, "backbone_config", None)
    if getattr(backbone, "model_type", None) == "timm_wrapper" and importlib.util.find_spec("timm") is None:
        raise UnusableCheckpointError(
            f"the image encoder of {name} ({family.title}) is one of timm's, which is not installed: "
            "`pip install timm`, with a torchvision of the same build as torch"
        )
    return family
