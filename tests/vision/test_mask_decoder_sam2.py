"""What SAM 2 does in its own way: a mask alone as the prompt, and a single mask that must be stable."""

import pytest
import torch
from torch import Tensor

from backend.vision.mask_decoder_sam2 import Sam2Decoder
from tests.tiny_sam_families import CHANNELS, SIDE, tiny_sam2_model

FINE = (CHANNELS // 8, 4 * SIDE), (CHANNELS // 4, 2 * SIDE)


def normal(*shape: int, seed: int) -> Tensor:
    """Random numbers, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("least_stability", [0.0, 0.4648, 1.1], ids=["always stable", "some", "never stable"])
def test_an_unstable_single_mask_gives_way_to_the_best_of_three(least_stability: float) -> None:
    """Four prompts, whose masks differ in how many logits lie near 0."""
    model = tiny_sam2_model()
    model.mask_decoder.dynamic_multimask_stability_delta = 8.0
    model.mask_decoder.dynamic_multimask_stability_thresh = least_stability
    image, prompts = normal(1, CHANNELS, SIDE, SIDE, seed=1), normal(1, 4, 2, CHANNELS, seed=2) * 5
    fine = [normal(1, channels, side, side, seed=3) for channels, side in FINE]

    logits, iou = Sam2Decoder(model)(
        image.flatten(2).transpose(1, 2), prompts[0], fine=tuple(one[0] for one in fine), multimask=False
    )

    expected, expected_iou, *_ = model.mask_decoder(
        image_embeddings=image,
        image_positional_embeddings=model.get_image_wide_positional_embeddings(),
        sparse_prompt_embeddings=prompts,
        dense_prompt_embeddings=torch.zeros_like(image),
        multimask_output=False,
        high_resolution_features=fine,
    )
    torch.testing.assert_close(logits, expected[0], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(iou, expected_iou[0], rtol=1e-4, atol=1e-4)


def test_a_mask_alone_is_asked_with_a_point_that_is_none() -> None:
    """As transformers does; without tokens the answer would be another."""
    model = tiny_sam2_model()
    decode, content = Sam2Decoder(model), normal(1, SIDE * SIDE, CHANNELS, seed=1)
    fine = tuple(normal(channels, side, side, seed=3) for channels, side in FINE)
    no_point = model.prompt_encoder.not_a_point_embed.weight.expand(1, 2, -1)

    alone = decode(content, torch.zeros(1, 0, CHANNELS), fine=fine, multimask=True)

    torch.testing.assert_close(alone, decode(content, no_point, fine=fine, multimask=True))
