"""Every family of SAM, opened from what save_pretrained writes, against transformers' own forward pass."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import (
    EdgeTamConfig,
    EdgeTamModel,
    PreTrainedModel,
    Sam2Model,
    Sam3TrackerConfig,
    SamHQModel,
    SamImageProcessorPil,
    SamModel,
)

from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.sam import open_sam
from backend.vision.guidance import Guidance
from backend.vision.sam import PIXEL_MEAN, PIXEL_STD, ImageEmbedding, Sam
from tests.tiny_sam import tiny_sam_model
from tests.tiny_sam_families import (
    tiny_edgetam_model,
    tiny_sam2_model,
    tiny_sam2_video_model,
    tiny_sam_hq_model,
)

MODELS: dict[str, tuple[Callable[[], PreTrainedModel], type[PreTrainedModel]]] = {
    "SAM": (tiny_sam_model, SamModel),
    "SAM-HQ": (tiny_sam_hq_model, SamHQModel),
    "SAM 2": (tiny_sam2_model, Sam2Model),
    "SAM 2.1": (tiny_sam2_video_model, Sam2Model),
    "EdgeTAM": (tiny_edgetam_model, EdgeTamModel),
}
STRETCHED = ("SAM 2", "SAM 2.1", "EdgeTAM")
POINTS, LABELS = np.array([[[10.0, 20], [50, 30]], [[33, 5], [2, 1]]]), np.array([[1, 0], [1, 1]])
BOXES = np.array([[3.0, 4, 30, 33], [20, 1, 60, 11]])
PROMPTS: dict[str, tuple[str, ...]] = {
    "points": ("points_xy", "labels"),
    "boxes": ("boxes_xyxy",),
    "points, boxes and masks": ("points_xy", "labels", "boxes_xyxy", "mask_logits"),
    "masks": ("mask_logits",),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


class Opened:
    """A checkpoint as we open it, and as transformers does.

    Attributes:
        sam: ours.
        model: theirs.
        image: RGB, wider than high, as wide as the model's square: who keeps its shape need not resize it.
        pixels: the same after their own preprocessing.
        scale_xy: from pixels of the image to those of the square.
        embedding: ours of the image.
    """

    def __init__(self, family: str, folder: Path) -> None:
        make, model_class = MODELS[family]
        make().save_pretrained(folder / "tiny")
        checkpoint = open_sam(str(folder / "tiny"), cache_dir=folder)
        self.sam = Sam(checkpoint.model, checkpoint.encode_pixels, input_size=checkpoint.input_size)
        self.model: Any = model_class.from_pretrained(folder / "tiny").eval()
        if family == "SAM-HQ":
            use_what_the_transformer_says(self.model)
        self.side = checkpoint.input_size
        self.image = striped(self.side // 2, self.side)
        self.scale_xy = (1, 2) if family in STRETCHED else (1, 1)
        self.pixels = stretched(self.image) if family in STRETCHED else padded(self.image)
        self.embedding: ImageEmbedding = self.sam.embed(self.image)

    def forward(self, prompts: dict[str, Any], *, multimask: bool, **target: Tensor) -> tuple[Tensor, Tensor]:
        """Their logits (n, m, 4h, 4w) and IoU (n, m), by one whole forward pass for each prompt."""
        scale = torch.tensor(self.scale_xy)
        answers = []
        for i in range(2):
            inputs: dict[str, Any] = dict(target)
            if "points_xy" in prompts:
                inputs["input_points"] = (torch.tensor(prompts["points_xy"][None, i : i + 1]) * scale).float()
                inputs["input_labels"] = torch.tensor(prompts["labels"][None, i : i + 1])
            if "boxes_xyxy" in prompts:
                boxes = torch.tensor(prompts["boxes_xyxy"][None, i : i + 1]) * scale.repeat(2)
                inputs["input_boxes"] = boxes.float()
            if "mask_logits" in prompts:
                inputs["input_masks"] = prompts["mask_logits"][i : i + 1, None]
            with torch.no_grad():
                answers.append(self.model(pixel_values=self.pixels, multimask_output=multimask, **inputs))
        logits = torch.cat([answer.pred_masks[0] for answer in answers])
        return logits, torch.cat([answer.iou_scores[0] for answer in answers])


def use_what_the_transformer_says(model: SamHQModel) -> None:
    """Make masks of the image tokens that come out of the two-way transformer, as SAM-HQ was published.

    transformers (seen in 5.23) makes them of those that went in, rows and columns swapped.
    """
    decoder, out = model.mask_decoder, []
    decoder.transformer.register_forward_hook(lambda _module, _inputs, outputs: out.append(outputs[1]))
    decoder.upscale_conv1.register_forward_pre_hook(
        lambda _module, inputs: (out.pop().transpose(2, 3).reshape(inputs[0].shape),)
    )


@pytest.fixture(scope="module", params=MODELS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """One family after the other."""
    return Opened(request.param, tmp_path_factory.mktemp("family"))


def striped(height: int, width: int) -> NDArray[np.uint8]:
    """A random RGB image whose rows are all the same, so that stretching it in y changes no value."""
    row = np.random.default_rng(0).integers(0, 256, (1, width, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row, (height, width, 3)))


def stretched(image: NDArray[np.uint8]) -> Tensor:
    """Pixels of SAM 2: the square filled, mean and deviation of ImageNet; its processor needs torchvision."""
    square = np.broadcast_to(image[:1], (image.shape[1], *image.shape[1:])).astype(np.float32)
    return torch.from_numpy((square - PIXEL_MEAN) / PIXEL_STD).permute(2, 0, 1)[None].float()


def padded(image: NDArray[np.uint8]) -> Tensor:
    """Pixels of SAM by its own processor."""
    side = image.shape[1]
    processor = SamImageProcessorPil(size={"longest_edge": side}, pad_size={"height": side, "width": side})
    return processor(image, return_tensors="pt")["pixel_values"]  # type: ignore[no-any-return]


def given(kind: str, opened: Opened) -> dict[str, Any]:
    """Two prompts of a kind."""
    side = 4 * opened.embedding.grid_hw[0]
    masks = torch.randn(2, side, side, generator=torch.Generator().manual_seed(2)) * 5
    all_of_them = {"points_xy": POINTS, "labels": LABELS, "boxes_xyxy": BOXES, "mask_logits": masks}
    return {name: all_of_them[name] for name in PROMPTS[kind]}


def in_their_order(logits: Tensor, iou: Tensor) -> tuple[Tensor, Tensor]:
    """Masks of each prompt by falling IoU: SAM-HQ sorts its three, we do not."""
    order = iou.argsort(dim=1, descending=True)
    return torch.stack([one[i] for one, i in zip(logits, order, strict=True)]), iou.gather(1, order)


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
@pytest.mark.parametrize("kind", PROMPTS)
def test_answers_are_those_of_a_whole_forward_pass(opened: Opened, kind: str, multimask: bool) -> None:
    """From the pixels on, with prompts in pixels of an image that is not square."""
    prompts = given(kind, opened)

    answer = opened.sam.decode(opened.embedding, **prompts, multimask=multimask)

    logits, iou = opened.forward(prompts, multimask=multimask)
    assert answer.logits.shape[1:] == (3 if multimask else 1, 32, 32)
    ours, theirs = in_their_order(answer.logits, answer.iou), in_their_order(logits, iou)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert (logits[0] - logits[1]).abs().max() > 0.02


@pytest.mark.parametrize("multimask", [True, False], ids=["three masks", "one mask"])
def test_guided_answers_are_those_of_transformers(opened: Opened, multimask: bool) -> None:
    """All families take PerSAM's two inputs."""
    prompts, guide = given("points", opened), guidance("hf", opened)

    answer = opened.sam.decode(opened.embedding, **prompts, multimask=multimask, guidance=guide)

    logits, iou = opened.forward(
        prompts,
        multimask=multimask,
        attention_similarity=guide.attention_similarity.reshape(1, 1, 1, -1),
        target_embedding=guide.target_embedding,
    )
    ours, theirs = in_their_order(answer.logits, answer.iou), in_their_order(logits, iou)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_the_modes_of_guidance_are_different_algorithms_in_all_families(opened: Opened) -> None:
    """``exact`` is there for all: the two-way transformer is ours, and the same."""
    prompts, image = given("points", opened), opened.embedding

    unguided, hf, exact = (
        opened.sam.decode(image, **prompts, guidance=guide).logits
        for guide in (None, guidance("hf", opened), guidance("exact", opened))
    )

    assert (unguided - hf).abs().max() > 0.1
    assert (unguided - exact).abs().max() > 0.1
    assert (hf - exact).abs().max() > 0.1


def guidance(mode: Literal["hf", "exact"], opened: Opened) -> Guidance:
    """A target strong enough to show."""
    generator = torch.Generator().manual_seed(3)
    similarity = torch.randn(opened.embedding.grid_hw, generator=generator).sigmoid() * 4
    return Guidance(mode, similarity, torch.randn(32, generator=generator))


@pytest.mark.parametrize("family", STRETCHED)
def test_an_image_fills_the_square_where_the_family_stretches_it(family: str, tmp_path: Path) -> None:
    """No cell is padding, and the masks go back to the image in one step, as SAM 2 has it."""
    opened = Opened(family, tmp_path)

    image = opened.embedding

    assert image.resized_hw == (opened.side, opened.side)
    assert image.valid.all()
    logits = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = interpolate(logits, image.size_hw, mode="bilinear", align_corners=False)
    torch.testing.assert_close(opened.sam.upscale(logits, image), expected)


def test_weights_are_float32_however_they_were_saved(tmp_path: Path) -> None:
    """The pixels are; a CPU is no faster with half of them."""
    tiny_sam2_model().to(torch.bfloat16).save_pretrained(tmp_path / "half")

    checkpoint = open_sam(str(tmp_path / "half"), cache_dir=tmp_path)

    assert {parameter.dtype for parameter in checkpoint.model.parameters()} == {torch.float32}


def test_missing_weights_of_a_video_checkpoint_are_never_made_up(tmp_path: Path) -> None:
    """Its memory may be left out, its mask decoder not."""
    model = tiny_sam2_video_model()
    weights = {name: weight for name, weight in model.state_dict().items() if "conv_s0" not in name}
    model.save_pretrained(tmp_path / "video", state_dict=weights)

    with pytest.raises(UnusableCheckpointError, match=r"lacks the weights.*conv_s0"):
        open_sam(str(tmp_path / "video"), cache_dir=tmp_path)


def test_a_family_that_cannot_work_is_told_which_can(tmp_path: Path) -> None:
    Sam3TrackerConfig().save_pretrained(tmp_path / "sam3")

    with pytest.raises(UnusableCheckpointError, match="got architecture 'sam3_tracker'") as caught:
        open_sam(str(tmp_path / "sam3"), cache_dir=tmp_path)

    assert "SAM, SAM-HQ, SAM 2, SAM 2.1 or EdgeTAM" in str(caught.value)


def test_edgetam_as_published_asks_for_timm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its image encoder is one of timm's, which is no dependency."""
    EdgeTamConfig().save_pretrained(tmp_path / "edgetam")
    monkeypatch.setitem(sys.modules, "timm", None)

    with pytest.raises(UnusableCheckpointError, match="pip install timm"):
        open_sam(str(tmp_path / "edgetam"), cache_dir=tmp_path)
