"""SAM's mask decoder as a pure function of its inputs.

The weights are those of transformers' ``SamMaskDecoder``, or of modules with the same names. The result is
its own up to rounding, in half the time.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.vision.guidance import Guidance
from backend.vision.network import SamNetwork
from backend.vision.sketch import COLUMN, EMPTY, ROW, Worth, doubtful
from backend.vision.two_way import ImageTokens, cell_positions, joined, shared_tokens, two_way

if TYPE_CHECKING:
    from transformers.models.sam.modeling_sam import SamMaskDecoder


class MaskDecoder:
    """The mask decoder of one SAM.

    Args:
        model: whose weights are used.
        products: what large products of image tokens are computed with.
    """

    def __init__(self, model: SamNetwork, products: torch.dtype = torch.float32) -> None:
        self._decoder: SamMaskDecoder = model.mask_decoder
        self._position = cell_positions(model, products)

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
        worth: Worth | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Masks for n prompts on one image.

        Args:
            content: image embedding plus the embedding of the mask prompts or of none, cell by cell,
                (n or 1, h * w, C) float; or what ``shared`` made of it.
            prompts: embedded points and boxes, (n, p, C) float.
            fine: SAM has none.
            multimask: SAM's three masks instead of its single one.
            guidance: the target.
            worth: says which masks are drawn, the others come back empty; None: all are, to the last pixel.

        Returns:
            Logits, (n, m, 4h, 4w) float, and estimated IoU, (n, m) float.
        """
        del fine
        decoder = self._decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        image = content if isinstance(content, ImageTokens) else ImageTokens.of(content, self._position)
        wanted = range(1, decoder.num_mask_tokens) if multimask else range(1)
        answering = [0, *(1 + i for i in wanted)]  # the token of the IoU, then those of the masks
        tokens, image = two_way(
            decoder.transformer, joined(own, prompts), image, guidance, answering=answering
        )
        networks = [decoder.output_hypernetworks_mlps[i] for i in wanted]
        weights = torch.stack(
            [network(tokens[:, 1 + i]) for i, network in enumerate(networks)], dim=1
        )  # (n, m, C / 8)
        iou = decoder.iou_prediction_head(tokens[:, 0])[:, list(wanted)]
        if worth is None:
            return _masks(decoder, image.factor, weights), iou
        drawn = [_drawn(decoder, *prompt, worth) for prompt in zip(image.factor, weights, iou, strict=True)]
        return torch.stack(drawn), iou


def _drawn(decoder: "SamMaskDecoder", content: Tensor, weights: Tensor, iou: Tensor, worth: Worth) -> Tensor:
    """Masks (m, 4h, 4w) of one prompt that are worth it, drawn where they may lie; EMPTY else.

    Args:
        decoder: whose weights are used.
        content: image tokens, (h * w, C) float.
        weights: of the masks, (m, C / 8) float.
        iou: estimated, (m,) float.
        worth: says which masks are drawn.
    """
    side = int(len(content) ** 0.5)
    sketches = _sketched(decoder, content, weights)  # (m, h * w)
    worthy = worth(sketches.view(1, -1, side, side).float(), iou[None].float())[0].nonzero()[:, 0]
    masks = torch.full((len(weights), 4 * side, 4 * side), EMPTY, device=content.device)
    if not len(worthy):
        return masks
    sketches = sketches[worthy].view(-1, side, side).float()
    masks[worthy] = sketches.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    rows, columns = doubtful(sketches).nonzero().T
    if not len(rows):
        return masks
    fine = _fine(decoder, content[rows * side + columns]).flatten(0, 2)
    fine = weights[worthy].to(fine) @ fine.T  # (m', n * 16)
    for mask, pixels in zip(worthy, _arranged(fine, 1).float(), strict=True):  # (n, 4, 4) each
        masks[mask].view(side, 4, side, 4).transpose(1, 2)[rows, columns] = pixels
    return masks


def _sketched(decoder: "SamMaskDecoder", content: Tensor, weights: Tensor) -> Tensor:
    """One pixel of each cell of the masks, (m, h * w)."""
    first, second = decoder.upscale_conv1, decoder.upscale_conv2
    fine = _linear(content, first.weight[:, :, ROW // 2, COLUMN // 2].T, first.bias)
    fine = decoder.activation(_normed(decoder, fine))
    fine = _linear(fine, second.weight[:, :, ROW % 2, COLUMN % 2].T, second.bias)
    sketched: Tensor = weights.to(fine) @ decoder.activation(fine).T
    return sketched


def _masks(decoder: "SamMaskDecoder", content: Tensor, weights: Tensor) -> Tensor:
    """Image tokens (n, h * w, C) at four times the resolution, weighted (n, m, C / 8) into (n, m, 4h, 4w)."""
    fine = _fine(decoder, content)
    masks: Tensor = weights.to(fine) @ fine.flatten(1, -2).transpose(1, 2)  # (n, m, h * w * 16)
    return _arranged(masks, int(content.shape[1] ** 0.5))[:, :, 0]


def _fine(decoder: "SamMaskDecoder", content: Tensor) -> Tensor:
    """Image tokens (..., C) at four times the resolution, halves then quarters, (..., 4, 4, C / 8)."""
    fine = decoder.activation(_normed(decoder, _upscale(decoder.upscale_conv1, content)))
    return decoder.activation(_upscale(decoder.upscale_conv2, fine))  # type: ignore[no-any-return]


def _normed(decoder: "SamMaskDecoder", fine: Tensor) -> Tensor:
    norm = decoder.upscale_layer_norm
    return F.layer_norm(fine, norm.normalized_shape, norm.weight.to(fine), norm.bias.to(fine), norm.eps)


def _arranged(masks: Tensor, side: int) -> Tensor:
    """Pixels of masks, by the halves and then the quarters of their cells, in their places.

    Args:
        masks: (..., n * side * side * 16), the cells of n squares row by row.
        side: cells along a side of a square.

    Returns:
        (..., n, 4 * side, 4 * side).
    """
    squares = masks.view(*masks.shape[:-1], -1, side, side, 2, 2, 2, 2)
    placed = squares.movedim((-6, -4, -2, -5, -3, -1), (-6, -5, -4, -3, -2, -1))
    return placed.reshape(*squares.shape[:-6], 4 * side, 4 * side)


def _upscale(conv: torch.nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """A transposed 2 x 2 convolution of stride 2 is a linear layer per cell: (..., C) to (..., 4, C')."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)  # (2 * 2 * C', C)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    return _linear(x, weight, bias).view(*x.shape[:-1], 4, -1)


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer, computed with the dtype of *x*."""
    return F.linear(x, weight.to(x), None if bias is None else bias.to(x))
