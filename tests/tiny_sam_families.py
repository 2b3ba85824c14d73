"""SAM-HQ, SAM 2 and EdgeTAM of the real architecture, tiny and random: 128 pixels, 8 x 8 cells."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    EdgeTamConfig,
    EdgeTamModel,
    PreTrainedConfig,
    PreTrainedModel,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2Model,
    Sam2VideoConfig,
    Sam2VideoModel,
    SamHQConfig,
    SamHQModel,
)
from transformers.modeling_outputs import BaseModelOutput

INPUT_SIZE, SIDE, CHANNELS = 128, 8, 32

PROMPTS = {"hidden_size": CHANNELS, "image_size": INPUT_SIZE, "patch_size": INPUT_SIZE // SIDE}
DECODER = {
    "hidden_size": CHANNELS, "mlp_dim": 48, "num_attention_heads": 4, "iou_head_hidden_dim": CHANNELS,
}  # fmt: skip
PYRAMID = {
    "backbone_channel_list": [32, 24, 16, 8],
    "backbone_feature_sizes": [[4 * SIDE] * 2, [2 * SIDE] * 2, [SIDE] * 2],
    "fpn_hidden_size": CHANNELS,
}


def tiny_sam_hq_model() -> SamHQModel:
    """Transformers' SAM-HQ."""
    vision = {
        "hidden_size": 16, "output_channels": CHANNELS, "num_hidden_layers": 2, "num_attention_heads": 2,
        "image_size": INPUT_SIZE, "patch_size": INPUT_SIZE // SIDE, "global_attn_indexes": [0],
        "window_size": 4, "num_pos_feats": CHANNELS // 2, "mlp_dim": 32,
    }  # fmt: skip
    config = SamHQConfig(
        vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config={**DECODER, "vit_dim": 16}
    )
    return _random(SamHQModel(config))


def tiny_sam2_model() -> Sam2Model:
    """Transformers' SAM 2."""
    return _random(Sam2Model(Sam2Config(**_sam2_parts())))


def tiny_sam2_video_model() -> Sam2VideoModel:
    """Transformers' SAM 2 for videos: SAM 2 and a memory. SAM 2.1 is published like this."""
    config = Sam2VideoConfig(
        **_sam2_parts(), image_size=INPUT_SIZE, memory_attention_hidden_size=CHANNELS,
        memory_attention_feed_forward_hidden_size=16, memory_attention_num_layers=1,
        memory_attention_rope_feat_sizes=[SIDE, SIDE], memory_encoder_hidden_size=CHANNELS,
        memory_encoder_output_channels=16, mask_downsampler_embed_dim=CHANNELS,
        memory_fuser_embed_dim=CHANNELS, memory_fuser_intermediate_dim=16,
    )  # fmt: skip
    return _random(Sam2VideoModel(config))


def tiny_edgetam_model() -> EdgeTamModel:
    """Transformers' EdgeTAM; in place of timm's RepViT stands a pyramid of convolutions."""
    vision = {**PYRAMID, "backbone_config": TinyPyramidConfig()}
    config = EdgeTamConfig(vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)
    return _random(EdgeTamModel(config))


def _sam2_parts() -> dict[str, Any]:
    hiera = Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[INPUT_SIZE, INPUT_SIZE],
        blocks_per_stage=[1, 1, 2, 1], embed_dim_per_stage=[8, 16, 24, 32],
        num_attention_heads_per_stage=[1, 1, 2, 2], window_size_per_stage=[8, 4, 4, 2],
        window_positional_embedding_background_size=[4, 4], global_attention_blocks=[3],
    )  # fmt: skip
    return {
        "vision_config": {**PYRAMID, "backbone_config": hiera},
        "prompt_encoder_config": PROMPTS,
        "mask_decoder_config": DECODER,
    }


class TinyPyramidConfig(PreTrainedConfig):  # type: ignore[misc]
    """Of a TinyPyramid."""

    model_type = "tiny_pyramid"


class TinyPyramid(PreTrainedModel):  # type: ignore[misc]
    """What EdgeTAM asks of timm's backbones: one feature map at each of four scales."""

    config_class = TinyPyramidConfig

    def __init__(self, config: TinyPyramidConfig) -> None:
        super().__init__(config)
        sides = zip((3, 8, 16, 24), (8, 16, 24, 32), (4, 2, 2, 2), strict=True)
        self.levels = nn.ModuleList([nn.Conv2d(a, b, step, stride=step) for a, b, step in sides])
        self.post_init()

    def forward(self, pixels: Tensor, **_: object) -> BaseModelOutput:
        """Feature maps, fine to coarse."""
        maps = []
        for level in self.levels:
            pixels = level(pixels).tanh()
            maps.append(pixels)
        return BaseModelOutput(last_hidden_state=maps)


AutoConfig.register("tiny_pyramid", TinyPyramidConfig)
AutoModel.register(TinyPyramidConfig, TinyPyramid)


def _random(model: PreTrainedModel) -> Any:
    """Random weights large enough that every one of them matters; the same in every process."""
    model = model.eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        scale = 0.3 if name.startswith("vision_encoder.") else 0.5
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    for name, buffer in model.named_buffers():
        if name.endswith("positional_embedding"):
            buffer.copy_(torch.randn(buffer.shape, generator=generator.manual_seed(1)))
    return model
