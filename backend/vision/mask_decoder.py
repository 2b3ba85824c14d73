"""SAM's mask decoder as a pure function of its inputs.

The weights are transformers' own. The result is that of ``SamMaskDecoder`` up to rounding, in half the time.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from transformers import SamModel
from transformers.models.sam.modeling_sam import SamMaskDecoder

from backend.vision.guidance import Guidance
from backend.vision.two_way import ImageTokens, cell_positions, joined, shared_tokens, two_way


class MaskDecoder:
    """The mask decoder of one SAM.

    Args:
        model: whose weights are used.
    """

    def __init__(self, model: SamModel) -> None:
        self._decoder: SamMaskDecoder = model.mask_decoder
        self._position = cell_positions(model)

    def shared(self, content: Tensor) -> ImageTokens:
        """What prompts without a mask share of an image; *content* is (1, h * w, C) float."""
        return shared_tokens(self._decoder.transformer, content, self._position)

    def __call__(
        self,
        content: Tensor | ImageTokens,
        prompts: Tensor,
        *,
        fine: tuple[Tensor, ...] = (),
        multimask: bool,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Masks for n prompts on one image.

        Args:
            content: image embedding plus the embedding of the mask prompts or of none, cell by cell,
                (n or 1, h * w, C) float; or what ``shared`` made of it.
            prompts: embedded points and boxes, (n, p, C) float.
            fine: SAM has none.
            multimask: SAM's three masks instead of its single one.
            guidance: the target.

        Returns:
            Logits, (n, m, 4h, 4w) float, and estimated IoU, (n, m) float.
        """
        del fine
        decoder = self._decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        image = content if isinstance(content, ImageTokens) else ImageTokens.of(content, self._position)
        tokens, content = two_way(decoder.transformer, joined(own, prompts), image, guidance)
        wanted = range(1, decoder.num_mask_tokens) if multimask else range(1)
        weights = torch.stack(
            [decoder.output_hypernetworks_mlps[i](tokens[:, 1 + i]) for i in wanted], dim=1
        )  # (n, m, C / 8)
        return _masks(decoder, content, weights), decoder.iou_prediction_head(tokens[:, 0])[:, list(wanted)]


def _masks(decoder: SamMaskDecoder, content: Tensor, weights: Tensor) -> Tensor:
    """Image tokens (n, h * w, C) at four times the resolution, weighted (n, m, C / 8) into (n, m, 4h, 4w)."""
    side = int(content.shape[1] ** 0.5)
    norm = decoder.upscale_layer_norm
    fine = _upscale(decoder.upscale_conv1, content)  # (n, h * w, 4, C / 4)
    fine = decoder.activation(F.layer_norm(fine, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
    fine = decoder.activation(_upscale(decoder.upscale_conv2, fine))  # (n, h * w, 4, 4, C / 8)
    masks: Tensor = weights @ fine.flatten(1, 3).transpose(1, 2)  # (n, m, h * w * 16)
    masks = masks.view(*masks.shape[:2], side, side, 2, 2, 2, 2)  # y, x, then halves and quarters of the cell
    return masks.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*masks.shape[:2], 4 * side, 4 * side)


def _upscale(conv: torch.nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """A transposed 2 x 2 convolution of stride 2 is a linear layer per cell: (..., C) to (..., 4, C')."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (2 * 2 * C', C)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    fine: Tensor = F.linear(x, weight, bias).view(*x.shape[:-1], 4, -1)
    return fine
