"""The mask decoder of SAM 2, SAM 2.1 and EdgeTAM as a pure function of its inputs.

The weights are transformers' own, the result that of ``Sam2MaskDecoder``. It differs from SAM's in a token
that says whether there is an object (read by nobody here), in features of two finer grids that join while the
masks are upscaled, and in the single mask, which gives way to the best of three where it is not stable.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.network import SamNetwork
from backend.vision.sketch import Worth, without_unworthy
from backend.vision.two_way import ImageTokens, cell_positions, joined, on_grid, shared_tokens, two_way

if TYPE_CHECKING:
    from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder

OWN_TOKENS = 2  # object score and IoU; those of the masks follow


class Sam2Decoder:
    """The mask decoder of one SAM 2 or EdgeTAM.

    Args:
        model: whose weights are used.
        products: what large products of image tokens are computed with.
    """

    def __init__(self, model: SamNetwork, products: torch.dtype = torch.float32) -> None:
        self._decoder: Sam2MaskDecoder = model.mask_decoder
        self._no_point: Tensor = model.prompt_encoder.not_a_point_embed.weight
        self._position = cell_positions(model, products)

    def shared(self, content: Tensor) -> ImageTokens:
        """What prompts without a mask share of an image; *content* is (1, h * w, C) float."""
        return shared_tokens(self._decoder.transformer, content, self._position)

    def __call__(
        self,
        content: Tensor | ImageTokens,
        prompts: Tensor,
        *,
        fine: tuple[Tensor, ...],
        multimask: bool,
        guidance: Guidance | None = None,
        worth: Worth | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Masks for n prompts on one image.

        Args:
            content: image embedding plus the embedding of the mask prompts or of none, cell by cell,
                (n or 1, h * w, C) float; or what ``shared`` made of it.
            prompts: embedded points and boxes, (n, p, C) float.
            fine: features at four times and at twice the resolution, (C / 8, 4h, 4w) and (C / 4, 2h, 2w).
            multimask: three masks instead of a single one.
            guidance: the target.
            worth: says which masks are wanted, the others come back empty; None: all are.

        Returns:
            Logits, (n, m, 4h, 4w) float, and estimated IoU, (n, m) float.
        """
        decoder = self._decoder
        if prompts.shape[1] == 0:
            prompts = self._no_point.expand(len(prompts), 2, -1)  # as transformers asks with a mask alone
        own = torch.cat(
            [decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight]
        )
        image = content if isinstance(content, ImageTokens) else ImageTokens.of(content, self._position)
        tokens, image = two_way(
            decoder.transformer, joined(own, prompts), image, guidance, answering=range(len(own))
        )
        weights = torch.stack(
            [mlp(tokens[:, OWN_TOKENS + i]) for i, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1
        )  # (n, 1 + m, C / 8)
        upscaled = _upscaled(decoder, image.content, fine)
        logits = torch.einsum("nmc,nchw->nmhw", weights, upscaled)
        iou = decoder.iou_prediction_head(tokens[:, 1])
        logits, iou = (logits[:, 1:], iou[:, 1:]) if multimask else _single(decoder, logits, iou)
        return (logits if worth is None else without_unworthy(logits, iou, worth)), iou


def _upscaled(decoder: "Sam2MaskDecoder", content: Tensor, fine: tuple[Tensor, ...]) -> Tensor:
    """Image tokens (n, h * w, C) at four times the resolution, (n, C / 8, 4h, 4w)."""
    finest, finer = (features.to(content) for features in fine)
    upscaled = decoder.activation(decoder.upscale_layer_norm(decoder.upscale_conv1(on_grid(content)) + finer))
    return decoder.activation(decoder.upscale_conv2(upscaled) + finest)  # type: ignore[no-any-return]


def _single(decoder: "Sam2MaskDecoder", logits: Tensor, iou: Tensor) -> tuple[Tensor, Tensor]:
    """Mask 0 of (n, 1 + m, 4h, 4w) with its IoU, or the most certain of the others where it is not stable."""
    chosen = torch.zeros_like(iou[:, 0], dtype=torch.int64)
    if decoder.dynamic_multimask_via_stability:
        stable = _stability(logits[:, 0], decoder.dynamic_multimask_stability_delta)
        best = iou[:, 1:].argmax(dim=1) + 1
        chosen = best.where(stable < decoder.dynamic_multimask_stability_thresh, 0)
    rows = torch.arange(len(iou), device=iou.device)
    return logits[rows, chosen][:, None], iou[rows, chosen][:, None]


def _stability(logits: Tensor, delta: float) -> Tensor:
    """Share of a generous mask that a strict one keeps, (n,); 1 for an empty one."""
    strict, generous = ((logits > threshold).flatten(1).sum(1) for threshold in (delta, -delta))
    return torch.where(generous > 0, strict / generous, 1.0)
