"""Prompts get the same answers together and one by one. What the answers are: tests/checkpoints."""

import torch

from backend.vision.mask_decoder_hq import SamHqDecoder
from tests.tiny_sam_families import CHANNELS, SIDE, tiny_sam_hq_model


def test_prompts_together_get_the_answers_they_get_alone() -> None:
    """One image for all, its fine features too."""
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(1, SIDE * SIDE, CHANNELS, generator=generator)
    prompts = torch.randn(3, 2, CHANNELS, generator=generator)
    fine = (torch.randn(CHANNELS // 8, 4 * SIDE, 4 * SIDE, generator=generator),)
    decode = SamHqDecoder(tiny_sam_hq_model())

    logits, iou = decode(content, prompts, fine=fine, multimask=True)

    assert logits.shape == (3, 3, 4 * SIDE, 4 * SIDE)
    for i in range(3):
        alone, alone_iou = decode(content, prompts[i : i + 1], fine=fine, multimask=True)
        torch.testing.assert_close(logits[i : i + 1], alone, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(iou[i : i + 1], alone_iou, rtol=1e-4, atol=1e-4)
