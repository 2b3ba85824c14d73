"""Prompts get the same answers together, as on a GPU, and one by one, as on a CPU."""

from typing import Literal

import pytest
import torch
from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.mask_decoder import MaskDecoder
from backend.vision.sketch import DOUBT, EMPTY, doubtful
from tests.tiny_sam import CHANNELS, SIDE, tiny_sam_model

PROMPTS, TOKENS = 3, 2


@pytest.mark.parametrize("guided", [False, True], ids=["unguided", "guided"])
@pytest.mark.parametrize("images", [1, PROMPTS], ids=["one content for all", "one content each"])
def test_prompts_together_get_the_answers_they_get_alone(images: int, guided: bool) -> None:
    """A prompt with a mask has image tokens of its own; prompts without share them."""
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(images, SIDE * SIDE, CHANNELS, generator=generator)
    prompts = torch.randn(PROMPTS, TOKENS, CHANNELS, generator=generator)
    similarity = torch.rand(SIDE, SIDE, generator=generator)
    guidance = Guidance("exact", similarity, torch.randn(CHANNELS, generator=generator)) if guided else None
    decode = MaskDecoder(tiny_sam_model())

    logits, iou = decode(content, prompts, multimask=True, guidance=guidance)

    assert logits.shape == (PROMPTS, 3, 4 * SIDE, 4 * SIDE)
    for i in range(PROMPTS):
        own = content[i % images][None]
        alone, alone_iou = decode(own, prompts[i : i + 1], multimask=True, guidance=guidance)
        torch.testing.assert_close(logits[i : i + 1], alone, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(iou[i : i + 1], alone_iou, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", [None, "hf", "exact"])
def test_what_prompts_share_of_an_image_changes_no_answer(mode: Literal["hf", "exact"] | None) -> None:
    """Projected once for three prompts, or folded into the tokens of each."""
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(1, SIDE * SIDE, CHANNELS, generator=generator)
    prompts = torch.randn(PROMPTS, TOKENS, CHANNELS, generator=generator)
    similarity, target = (
        torch.rand(SIDE, SIDE, generator=generator),
        torch.randn(CHANNELS, generator=generator),
    )
    guidance = None if mode is None else Guidance(mode, similarity, target)
    decode = MaskDecoder(tiny_sam_model())

    logits, iou = decode(decode.shared(content), prompts, multimask=True, guidance=guidance)

    alone, alone_iou = decode(content, prompts, multimask=True, guidance=guidance)
    torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(iou, alone_iou, rtol=1e-4, atol=1e-4)


def test_products_of_half_as_many_bits_change_little() -> None:
    """Answers come as float32 all the same: within 2 % of what logits amount to, and IoU within 2 %."""
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(1, SIDE * SIDE, CHANNELS, generator=generator)
    prompts = torch.randn(PROMPTS, TOKENS, CHANNELS, generator=generator)
    exact, rounded = MaskDecoder(tiny_sam_model()), MaskDecoder(tiny_sam_model(), torch.bfloat16)

    logits, iou = rounded(content, prompts, multimask=True)

    expected, expected_iou = exact(content, prompts, multimask=True)
    assert iou.dtype == torch.float32
    assert not torch.equal(logits.float(), expected)
    assert float((logits - expected).abs().mean() / expected.abs().mean()) < 0.02
    assert float((iou - expected_iou).abs().mean() / expected_iou.abs().mean()) < 0.02


@pytest.mark.parametrize("below", [0.0, 8.0, 30.0])
def test_a_mask_that_is_drawn_is_the_same_mask(below: float) -> None:
    """Coarse where all is far below 0, to the pixel elsewhere; what is not worth it is empty.

    From masks that may lie anywhere over some that lie in a part of the image to none at all.
    """
    generator = torch.Generator().manual_seed(0)
    content = torch.randn(1, SIDE * SIDE, CHANNELS, generator=generator)
    prompts = torch.randn(PROMPTS, TOKENS, CHANNELS, generator=generator)
    model = tiny_sam_model()
    for mlp in model.mask_decoder.output_hypernetworks_mlps:
        mlp.proj_out.bias.fill_(-below)
    decode = MaskDecoder(model)
    asked: list[tuple[Tensor, Tensor]] = []

    def first_two(sketch: Tensor, iou: Tensor) -> Tensor:
        asked.append((sketch, iou))
        return torch.tensor([[True, True, False]])

    drawn, iou = decode(content, prompts, multimask=True, worth=first_two)

    logits, expected_iou = decode(content, prompts, multimask=True)
    torch.testing.assert_close(iou, expected_iou)
    torch.testing.assert_close(torch.cat([sketch for sketch, _ in asked]), logits[..., 1::4, 1::4])
    torch.testing.assert_close(torch.cat([told for _, told in asked]), iou)
    assert (drawn[:, 2] == EMPTY).all()
    for i in range(PROMPTS):
        near = doubtful(logits[i, :2, 1::4, 1::4]).repeat_interleave(4, 0).repeat_interleave(4, 1)
        torch.testing.assert_close(drawn[i, :2, near], logits[i, :2, near])
        assert (drawn[i, :2, ~near] <= -DOUBT).all()
