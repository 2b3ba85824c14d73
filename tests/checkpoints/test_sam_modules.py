"""Our own modules of SAM's prompt encoder and mask decoder, against transformers' with the same weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import SamModel

from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.mobilesam import DECODER, DECODER_WEIGHTS
from backend.checkpoints.sam_modules import SamModules, SamSizes, open_sam_modules, own_weights
from backend.vision.guidance import Guidance
from backend.vision.sam import ImageEmbedding, MaskLogits, Sam
from tests.tiny_sam import CHANNELS, INPUT_SIZE, SIDE, tiny_sam_model

TINY = SamSizes(channels=CHANNELS, heads=4, hidden=48, image_size=INPUT_SIZE, cells=SIDE, eps=1e-6)
Pair = tuple[SamModules, SamModel]


@pytest.fixture(scope="module")
def tiny() -> Pair:
    """Random weights large enough that every one of them matters."""
    model = tiny_sam_model()
    modules = SamModules(TINY).eval().requires_grad_(requires_grad=False)
    modules.load_state_dict(own_weights(model.state_dict()))
    return modules, model


@pytest.fixture(scope="module")
def mobilesam(weights: Path) -> Pair:
    """MobileSAM's own."""
    modules = open_sam_modules(weights / DECODER / DECODER_WEIGHTS, torch.device("cpu"))
    return modules, SamModel.from_pretrained(weights / DECODER).eval()


@pytest.fixture(params=["tiny", pytest.param("mobilesam", marks=pytest.mark.weights)])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Both, with the same weights."""
    both: Pair = request.getfixturevalue(request.param)
    return both


KINDS = [
    ("points_xy", "labels"),
    ("boxes_xyxy",),
    ("mask_logits",),
    ("points_xy", "labels", "boxes_xyxy"),
    ("points_xy", "labels", "boxes_xyxy", "mask_logits"),
]


def prompts(side: int, cells: int) -> dict[str, Tensor]:
    """Two points, a box and the logits of a mask for each of two prompts; one point lies beside its thing."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(2, 2, 2, generator=generator).sort(dim=1).values * side
    return {
        "points_xy": torch.rand(2, 2, 2, generator=generator) * side,
        "labels": torch.tensor([[1, 0], [1, 1]]),
        "boxes_xyxy": corners.flatten(1),
        "mask_logits": torch.randn(2, 4 * cells, 4 * cells, generator=generator) * 5,
    }


def answer(
    network: SamModules | SamModel, kind: tuple[str, ...], *, multimask: bool, guided: bool
) -> MaskLogits:
    """What the core makes of the network's parts, on random features."""
    encoder = network.prompt_encoder
    cells, side = network.get_image_wide_positional_embeddings().shape[-1], encoder.input_image_size
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(encoder.hidden_size, cells, cells, generator=generator) * 0.3
    embedding = ImageEmbedding(features, (side // 2, side), (side // 2, side), side)
    guidance = Guidance("hf", features.mean(0).sigmoid(), features.mean((1, 2))) if guided else None
    asked: dict[str, Any] = {name: given for name, given in prompts(side, cells).items() if name in kind}
    sam = Sam(network, lambda pixels: pixels, input_size=side)
    return sam.decode(embedding, multimask=multimask, guidance=guidance, **asked)


@pytest.mark.parametrize("guided", [False, True], ids=["alone", "guided"])
@pytest.mark.parametrize("multimask", [True, False], ids=["three", "one"])
@pytest.mark.parametrize("kind", KINDS, ids="+".join)
def test_they_answer_as_transformers_modules(
    pair: Pair, kind: tuple[str, ...], multimask: bool, guided: bool
) -> None:
    """With the same weights, random ones and MobileSAM's: logits and estimated IoUs, but for rounding."""
    own, theirs = (answer(one, kind, multimask=multimask, guided=guided) for one in pair)

    assert own.logits.shape[1] == (3 if multimask else 1)
    assert own.logits.std() > 0.1
    torch.testing.assert_close(
        own.logits, theirs.logits, rtol=1e-5, atol=1e-5 * float(theirs.logits.abs().max())
    )
    torch.testing.assert_close(own.iou, theirs.iou, rtol=1e-5, atol=1e-5)


def test_each_part_alone_answers_as_that_of_transformers(tiny: Pair) -> None:
    """Attention, MLPs and embeddings, which the core asks one by one; tokens of two prompts."""
    own, theirs = tiny
    tokens = torch.randn(1, 2, 5, CHANNELS, generator=torch.Generator().manual_seed(2))
    masks = torch.randn(2, 1, 4 * SIDE, 4 * SIDE, generator=torch.Generator().manual_seed(3))

    for ours, other in zip(
        own.mask_decoder.transformer.layers, theirs.mask_decoder.transformer.layers, strict=True
    ):
        asked = {"query": tokens, "key": tokens * 0.7, "value": tokens + 1}
        torch.testing.assert_close(ours.self_attn(**asked)[0], other.self_attn(**asked)[0])  # type: ignore[operator]
        torch.testing.assert_close(ours.mlp(tokens), other.mlp(tokens))  # type: ignore[operator]
        assert ours.skip_first_layer_pe == other.skip_first_layer_pe
    torch.testing.assert_close(own.prompt_encoder.mask_embed(masks), theirs.prompt_encoder.mask_embed(masks))
    torch.testing.assert_close(
        own.get_image_wide_positional_embeddings(), theirs.get_image_wide_positional_embeddings()
    )


def test_a_file_with_other_weights_is_refused(tmp_path: Path) -> None:
    """And it is said what to do, instead of a decoder with random weights."""
    weights = own_weights(tiny_sam_model().state_dict())
    save_file({name: one.clone() for name, one in weights.items() if "iou_token" not in name}, tmp_path / "w")

    with pytest.raises(UnusableCheckpointError, match=r"iou_token(.|\n)*checkpoints fetch"):
        open_sam_modules(tmp_path / "w", torch.device("cpu"), TINY)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"half")

    with pytest.raises(UnusableCheckpointError, match=r"cannot open .*checkpoints fetch"):
        open_sam_modules(tmp_path / "w", torch.device("cpu"))
