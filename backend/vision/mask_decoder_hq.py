"""SAM-HQ's mask decoder as a pure function of its inputs.

SAM's masks, with a mask of high quality added to each. The weights are those of transformers'
``SamHQMaskDecoder``; the computation is the published one, and departs from transformers' (seen in 5.23) in
that masks are made of the image tokens that come out of the two-way transformer. transformers takes those
that went in, and swaps their rows and columns. Three masks stay in SAM's order (part, whole, more) where
transformers sorts them by estimated IoU, because PerSAM-F gives each of them a weight.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.network import SamNetwork
from backend.vision.sketch import Worth, without_unworthy
from backend.vision.two_way import ImageTokens, cell_positions, joined, on_grid, shared_tokens, two_way

if TYPE_CHECKING:
    from transformers.models.sam_hq.modeling_sam_hq import SamHQMaskDecoder


class SamHqDecoder:
    """The mask decoder of one SAM-HQ.

    Args:
        model: whose weights are used.
        products: what large products of image tokens are computed with.
    """

    def __init__(self, model: SamNetwork, products: torch.dtype = torch.float32) -> None:
        self._decoder: SamHQMaskDecoder = model.mask_decoder
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
            fine: what the masks of high quality are made of, (C / 8, 4h, 4w).
            multimask: SAM's three masks instead of its single one.
            guidance: the target.
            worth: says which masks are wanted, the others come back empty; None: all are.

        Returns:
            Logits, (n, m, 4h, 4w) float, and estimated IoU, (n, m) float.
        """
        decoder = self._decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, decoder.hq_token.weight])
        image = content if isinstance(content, ImageTokens) else ImageTokens.of(content, self._position)
        tokens, image = two_way(
            decoder.transformer, joined(own, prompts), image, guidance, answering=range(len(own))
        )
        wanted = range(1, len(decoder.output_hypernetworks_mlps)) if multimask else range(1)
        weights = torch.stack(
            [decoder.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in wanted], dim=1
        )  # (n, m, C / 8)
        weights_hq = decoder.hq_mask_mlp(tokens[:, len(own) - 1])  # (n, C / 8)
        upscaled = _upscaled(decoder, image.content)
        logits = torch.einsum("nmc,nchw->nmhw", weights, upscaled)
        quality = torch.einsum("nc,nchw->nhw", weights_hq, _sharpened(decoder, upscaled, *fine))
        logits, iou = logits + quality[:, None], decoder.iou_prediction_head(tokens[:, 0])[:, list(wanted)]
        return (logits if worth is None else without_unworthy(logits, iou, worth)), iou


def _upscaled(decoder: "SamHQMaskDecoder", content: Tensor) -> Tensor:
    """Image tokens (n, h * w, C) at four times the resolution, (n, C / 8, 4h, 4w)."""
    upscaled = decoder.activation(decoder.upscale_layer_norm(decoder.upscale_conv1(on_grid(content))))
    return decoder.activation(decoder.upscale_conv2(upscaled))  # type: ignore[no-any-return]


def _sharpened(decoder: "SamHQMaskDecoder", upscaled: Tensor, fine: Tensor) -> Tensor:
    """The same with the image's own fine features (C / 8, 4h, 4w), (n, C / 8, 4h, 4w)."""
    sharpened = decoder.activation(decoder.mask_norm(decoder.mask_conv1(upscaled)))
    return decoder.mask_conv2(sharpened) + fine.to(upscaled)  # type: ignore[no-any-return]
