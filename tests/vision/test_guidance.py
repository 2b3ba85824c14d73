"""Where the target enters the mask decoder, compared with transformers and with the published computation."""

import math
from typing import Literal

import pytest
import torch
from torch import Tensor
from transformers import SamModel

from backend.vision.guidance import Guidance, GuidanceMode, guided_softmax, target_guidance
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from tests.tiny_sam import CHANNELS, INPUT_SIZE, SIDE, tiny_sam_model
from tests.vision.persam_reference import masks_and_iou, two_way

POINT = torch.tensor([[[10.0, 20.0], [50, 30]]])
LABELS = torch.tensor([[1, 0]])


def normal(*shape: int, seed: int = 3) -> Tensor:
    """Random numbers, the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def guidance(mode: Literal["hf", "exact"]) -> Guidance:
    """A target strong enough to show."""
    return Guidance(mode, normal(SIDE, SIDE).sigmoid() * 4, normal(CHANNELS, seed=4))


def embedding() -> ImageEmbedding:
    """A square image in the frame of the model, so that points are not scaled."""
    return ImageEmbedding(
        normal(CHANNELS, SIDE, SIDE, seed=5), (INPUT_SIZE, INPUT_SIZE), (INPUT_SIZE, INPUT_SIZE), INPUT_SIZE
    )


def decoded(model: SamModel, guide: Guidance | None, *, multimask: bool) -> MaskLogits:
    """The core's answer to one positive and one negative point."""
    sam = Sam(model, model.get_image_embeddings, input_size=INPUT_SIZE)
    return sam.decode(embedding(), points_xy=POINT, labels=LABELS, multimask=multimask, guidance=guide)


@pytest.mark.parametrize("multimask", [True, False])
def test_hf_is_what_transformers_computes(multimask: bool) -> None:
    """Its public forward takes both; the clone is there because it adds to its arguments in place."""
    model, guide = tiny_sam_model(), guidance("hf")

    answer = decoded(model, guide, multimask=multimask)

    expected = model(
        image_embeddings=embedding().features[None],
        input_points=POINT[None],
        input_labels=LABELS[None],
        multimask_output=multimask,
        attention_similarity=guide.attention_similarity.reshape(1, 1, 1, -1),
        target_embedding=guide.target_embedding.clone(),
    )
    torch.testing.assert_close(answer.logits, expected.pred_masks[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(answer.iou, expected.iou_scores[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("multimask", [True, False])
def test_exact_is_what_persam_published(multimask: bool) -> None:
    """Softmax twice, and the target once more before the final attention."""
    model, guide = tiny_sam_model(), guidance("exact")

    answer = decoded(model, guide, multimask=multimask)

    masks, iou = published(model, guide)
    wanted = slice(1, None) if multimask else slice(0, 1)
    torch.testing.assert_close(answer.logits[0], masks[wanted], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(answer.iou[0], iou[wanted], rtol=1e-4, atol=1e-4)


def published(model: SamModel, guide: Guidance) -> tuple[Tensor, Tensor]:
    """The same prompt through the published computation."""
    weights = model.mask_decoder.state_dict()
    sparse, dense = model.prompt_encoder(POINT[None], LABELS[None], None, None)
    tokens = torch.cat([weights["iou_token.weight"], weights["mask_tokens.weight"], sparse[0, 0]])
    image = (embedding().features + dense[0]).flatten(1).T
    position = model.get_image_wide_positional_embeddings()[0].flatten(1).T
    heads = model.config.mask_decoder_config.num_attention_heads
    similarity = guide.attention_similarity.flatten()
    tokens, image = two_way(weights, tokens, image, position, similarity, guide.target_embedding, heads)
    return masks_and_iou(weights, tokens, image, torch.nn.functional.gelu)


def test_the_three_modes_are_three_algorithms() -> None:
    model = tiny_sam_model()

    unguided, hf, exact = (
        decoded(model, guide, multimask=False).logits for guide in (None, guidance("hf"), guidance("exact"))
    )

    assert (unguided - hf).abs().max() > 0.5
    assert (unguided - exact).abs().max() > 0.5
    assert (hf - exact).abs().max() > 0.5


def test_guiding_leaves_nothing_behind() -> None:
    """An unguided answer is the same before and after a guided one."""
    model = tiny_sam_model()
    before = decoded(model, None, multimask=True).logits

    decoded(model, guidance("exact"), multimask=True)

    assert decoded(model, None, multimask=True).logits.equal(before)


def test_each_of_several_prompts_is_guided() -> None:
    model, guide = tiny_sam_model(), guidance("exact")
    sam = Sam(model, model.get_image_embeddings, input_size=INPUT_SIZE)

    answer = sam.decode(
        embedding(), points_xy=POINT.repeat(2, 1, 1), labels=LABELS.repeat(2, 1), guidance=guide
    )

    torch.testing.assert_close(answer.logits[0], answer.logits[1])
    torch.testing.assert_close(answer.logits[:1], decoded(model, guide, multimask=True).logits)


def test_softmax_twice_by_hand() -> None:
    """Logits 0 and ln 3 are shares 1/4 and 3/4; similarities that make them ln 4, ln 6 give 0.4 and 0.6."""
    logits = torch.tensor([[0.0, math.log(3)]])
    similarity = torch.tensor([[math.log(4) - 0.25, math.log(6) - 0.75]])

    shares = guided_softmax(logits, Guidance("exact", similarity, torch.zeros(CHANNELS)))

    torch.testing.assert_close(shares, torch.tensor([[0.4, 0.6]]))


def test_softmax_once_by_hand() -> None:
    """As transformers has it, ln 3 of similarity counts like ln 3 of attention: 1 to 9."""
    logits = similarity = torch.tensor([[0.0, math.log(3)]])

    shares = guided_softmax(logits, Guidance("hf", similarity, torch.zeros(CHANNELS)))

    torch.testing.assert_close(shares, torch.tensor([[0.1, 0.9]]))


def test_no_guidance_in_mode_none() -> None:
    valid = torch.ones(3, 5, dtype=torch.bool)

    assert target_guidance("none", torch.zeros(3, 5), valid, torch.zeros(CHANNELS)) is None


@pytest.mark.parametrize("mode", ["hf", "exact"])
def test_similarity_is_standardised_over_the_image_only(mode: GuidanceMode) -> None:
    """Values 1 and 3 have mean 2 and deviation 1; the padding's 100 counts for nothing and gets the least."""
    similarity = torch.tensor([[1.0, 3, 100], [3, 1, 100]])
    valid = torch.tensor([[True, True, False], [True, True, False]])

    guide = target_guidance(mode, similarity, valid, torch.zeros(CHANNELS))

    assert guide is not None
    low, high = torch.tensor([-1.0, 1.0]).sigmoid()
    torch.testing.assert_close(
        guide.attention_similarity, torch.stack([low, high, low, high, low, low]).reshape(2, 3)
    )


def test_guidance_lies_where_the_similarity_lies() -> None:
    """The published code stretches the image over the padded grid: of 48 rows, row 40 lands on row 53."""
    similarity = torch.zeros(64, 64)
    similarity[40, 10] = 1
    valid = torch.zeros(64, 64, dtype=torch.bool)
    valid[:48] = True

    guide = target_guidance("exact", similarity, valid, torch.zeros(CHANNELS))

    assert guide is not None
    assert int(guide.attention_similarity.argmax()) == 40 * 64 + 10


def test_a_map_without_contrast_guides_nowhere() -> None:
    """No division by a deviation of zero."""
    guide = target_guidance(
        "exact", torch.full((3, 5), 0.7), torch.ones(3, 5, dtype=torch.bool), torch.zeros(CHANNELS)
    )

    assert guide is not None
    torch.testing.assert_close(guide.attention_similarity, torch.full((3, 5), 0.5), rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("mode", ["hf", "exact"])
def test_half_precision_is_guided_too(mode: Literal["hf", "exact"], dtype: torch.dtype) -> None:
    """The map and the target stay in float32; the answer stays near that of the whole model in float32."""
    whole = decoded(tiny_sam_model(), guidance(mode), multimask=True).logits

    answer = decoded(tiny_sam_model().to(dtype), guidance(mode), multimask=True).logits

    assert answer.dtype == torch.float32
    assert float((answer - whole).abs().mean() / whole.abs().mean()) < 0.1
