"""A SAM of the real architecture, tiny and random: a square of 64 pixels, 8 x 8 cells, 32 channels."""

import torch
from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

from backend.vision.sam import Sam

INPUT_SIZE, SIDE, CHANNELS = 64, 8, 32


def tiny_sam_model(seed: int = 0) -> SamModel:
    """Transformers' SAM with random weights large enough that every one of them matters."""
    vision = SamVisionConfig(
        hidden_size=16, output_channels=CHANNELS, num_hidden_layers=1, num_attention_heads=2,
        image_size=INPUT_SIZE, patch_size=INPUT_SIZE // SIDE, global_attn_indexes=[0], window_size=4,
        num_pos_feats=CHANNELS // 2, mlp_dim=32,
    )  # fmt: skip
    prompts = SamPromptEncoderConfig(
        hidden_size=CHANNELS, image_size=INPUT_SIZE, patch_size=INPUT_SIZE // SIDE
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=CHANNELS, mlp_dim=48, num_attention_heads=4, iou_head_hidden_dim=CHANNELS
    )
    config = SamConfig(
        vision_config=vision.to_dict(),
        prompt_encoder_config=prompts.to_dict(),
        mask_decoder_config=decoder.to_dict(),
    )
    model = SamModel(config).eval().requires_grad_(requires_grad=False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return model


def tiny_sam(seed: int = 0) -> Sam:
    """The same behind the core's own interface."""
    model = tiny_sam_model(seed)
    return Sam(model, model.get_image_embeddings, input_size=INPUT_SIZE)
