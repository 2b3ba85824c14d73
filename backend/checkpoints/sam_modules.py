"""SAM's prompt encoder and mask decoder as modules of our own, under the names that transformers gives them.

A worker that uses no other SAM than MobileSAM so needs no transformers, whose import takes longer than all
else at its start. How the parts work together is told by ``backend.vision``; each alone computes what
transformers' part of that name does.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from backend.checkpoints.errors import MAKE_ANEW, UnusableCheckpointError

_SHARED, _OWN = "shared_image_embedding.", "prompt_encoder.shared_embedding."  # one tensor, kept once
_IMAGE_ENCODER = "vision_encoder."

NARROWED = 2  # attention between tokens and image is half as wide as the tokens
NOT_A_POINT = -1  # the label of what fills up points where there is no box


@dataclass(frozen=True)
class SamSizes:
    """How large the parts of a SAM are; unless told, as all published ones have it.

    Attributes:
        channels: of a token.
        heads: of attention.
        hidden: width of the layer between the two of each block's MLP.
        blocks: of the two-way transformer.
        masks: the single one, and three for a point that can mean several things.
        mask_channels: of a mask prompt on its way to the tokens.
        image_size: side of the padded square, in pixels.
        cells: along that side.
        eps: of the norms in the blocks.
    """

    model_type: ClassVar[str] = "sam"

    channels: int = 256
    heads: int = 8
    hidden: int = 2048
    blocks: int = 2
    masks: int = 4
    mask_channels: int = 16
    image_size: int = 1024
    cells: int = 64
    eps: float = 1e-5


class SamModules(nn.Module):
    """Prompt encoder and mask decoder of one SAM, without an image encoder.

    Args:
        sizes: of its parts.
    """

    config_class = SamSizes

    def __init__(self, sizes: SamSizes = SamSizes()) -> None:
        super().__init__()
        self.prompt_encoder = PromptEncoder(sizes)
        self.mask_decoder = MaskDecoderParts(sizes)
        self._cells = sizes.cells

    def get_image_wide_positional_embeddings(self) -> Tensor:
        """Positional encoding of every cell of the padded square, (1, C, h, w) float."""
        encode = self.prompt_encoder.shared_embedding
        grid = encode.positional_embedding.new_ones(self._cells, self._cells)
        y, x = ((grid.cumsum(dim=axis) - 0.5) / self._cells for axis in (0, 1))
        return encode(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]  # type: ignore[no-any-return]


def open_sam_modules(weights: Path, device: torch.device, sizes: SamSizes = SamSizes()) -> SamModules:
    """Prompt encoder and mask decoder of a transformers ``SamModel``, in float32, ready to be asked.

    Args:
        weights: the checkpoint's safetensors file.
        device: where they go.
        sizes: of the parts; the file must have these.

    Raises:
        UnusableCheckpointError: the file cannot be read, or has other weights.
    """
    modules = SamModules(sizes)
    try:
        modules.load_state_dict(own_weights(load_file(weights)))
    except (OSError, RuntimeError, SafetensorError) as exc:
        raise UnusableCheckpointError(
            f"cannot open {weights} as SAM's prompt encoder and mask decoder: {exc}. {MAKE_ANEW}"
        ) from exc
    return modules.to(device, torch.float32).eval().requires_grad_(requires_grad=False)


def own_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of ``SamModules`` among those of a transformers ``SamModel``."""
    named = {name.replace(_SHARED, _OWN): weight for name, weight in weights.items()}
    return {name: weight for name, weight in named.items() if not name.startswith(_IMAGE_ENCODER)}


class PromptEncoder(nn.Module):
    """Points and boxes to tokens; its ``mask_embed`` and ``no_mask_embed`` join the image's."""

    def __init__(self, sizes: SamSizes) -> None:
        super().__init__()
        self.shared_embedding = PositionalEmbedding(sizes.channels // 2)
        self.mask_embed = MaskEmbedding(sizes.mask_channels, sizes.channels)
        self.no_mask_embed = nn.Embedding(1, sizes.channels)
        self.point_embed = nn.ModuleList(nn.Embedding(1, sizes.channels) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, sizes.channels)
        self.hidden_size = sizes.channels
        self.input_image_size = sizes.image_size

    def forward(
        self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None, masks: None = None
    ) -> tuple[Tensor, None]:
        """Embed points and boxes, each row of a prompt of its own.

        Args:
            points_xy: in pixels of the padded square, (1, n, p, 2) float.
            labels: 1 on the object, 0 beside it, (1, n, p).
            boxes_xyxy: in pixels of the padded square, (1, n, 4) float.
            masks: transformers' parts take them here, too; nobody asks for that.

        Returns:
            Tokens (1, n, p', C) float; and nothing of masks.
        """
        del masks
        tokens = []
        if points_xy is not None and labels is not None:
            tokens.append(self._points(points_xy, labels, filled=boxes_xyxy is None))
        if boxes_xyxy is not None:
            tokens.append(self._corners(boxes_xyxy))
        return torch.cat(tokens, dim=2), None

    def _points(self, points_xy: Tensor, labels: Tensor, *, filled: bool) -> Tensor:
        """Tokens of points (1, n, p, C), and of one more that is none where they are to be *filled* up."""
        points_xy = points_xy + 0.5  # the middle of the pixel
        if filled:
            points_xy = torch.cat([points_xy, torch.zeros_like(points_xy[:, :, :1])], dim=2)
            labels = torch.cat([labels, torch.full_like(labels[:, :, :1], NOT_A_POINT)], dim=2)
        tokens = self._placed(points_xy)
        tokens = torch.where(labels[..., None] == NOT_A_POINT, self.not_a_point_embed.weight, tokens)
        for label, kind in enumerate(self._kinds[:2]):
            tokens = torch.where(labels[..., None] == label, tokens + kind, tokens)
        return tokens

    def _corners(self, boxes_xyxy: Tensor) -> Tensor:
        """Tokens of the upper left and the lower right corner of boxes, (1, n, 2, C)."""
        corners = (boxes_xyxy + 0.5).view(*boxes_xyxy.shape[:2], 2, 2)
        return self._placed(corners) + torch.cat(self._kinds[2:])

    @property
    def _kinds(self) -> list[Tensor]:
        """What marks a point beside the thing, one on it, and the two corners of a box, (1, C) each."""
        return [kind.weight for kind in cast("Iterable[nn.Embedding]", self.point_embed)]

    def _placed(self, points_xy: Tensor) -> Tensor:
        return self.shared_embedding(points_xy / self.input_image_size)  # type: ignore[no-any-return]


class PositionalEmbedding(nn.Module):
    """Sine and cosine of random projections of a place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.empty(2, channels))

    def forward(self, places_xy: Tensor) -> Tensor:
        """Places in [0, 1], (..., 2) float, to (..., C)."""
        projected = (2 * places_xy - 1).to(self.positional_embedding.dtype) @ self.positional_embedding
        angles = 2 * math.pi * projected
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class MaskEmbedding(nn.Module):
    """Low-resolution logits to what joins the image's tokens."""

    def __init__(self, mask_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, mask_channels // 4, 2, stride=2)
        self.layer_norm1 = ChannelNorm(mask_channels // 4, eps=1e-6)
        self.conv2 = nn.Conv2d(mask_channels // 4, mask_channels, 2, stride=2)
        self.layer_norm2 = ChannelNorm(mask_channels, eps=1e-6)
        self.conv3 = nn.Conv2d(mask_channels, channels, 1)
        self.activation = nn.GELU()

    def forward(self, masks: Tensor) -> Tensor:
        """Logits (n, 1, 4h, 4w) float to (n, C, h, w)."""
        features = self.activation(self.layer_norm1(self.conv1(masks)))
        features = self.activation(self.layer_norm2(self.conv2(features)))
        return self.conv3(features)  # type: ignore[no-any-return]


class ChannelNorm(nn.LayerNorm):
    """A layer norm over the channels of a map (n, C, h, w)."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each place of a map (n, C, h, w) float."""
        return super().forward(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MaskDecoderParts(nn.Module):
    """The weights of the mask decoder; how they are used is told by ``backend.vision.mask_decoder``."""

    def __init__(self, sizes: SamSizes) -> None:
        super().__init__()
        channels = sizes.channels
        self.num_mask_tokens = sizes.masks
        self.iou_token = nn.Embedding(1, channels)
        self.mask_tokens = nn.Embedding(sizes.masks, channels)
        self.transformer = TwoWayParts(sizes)
        self.upscale_conv1 = nn.ConvTranspose2d(channels, channels // 4, 2, stride=2)
        self.upscale_layer_norm = ChannelNorm(channels // 4, eps=1e-6)
        self.upscale_conv2 = nn.ConvTranspose2d(channels // 4, channels // 8, 2, stride=2)
        self.activation = nn.GELU()
        self.output_hypernetworks_mlps = nn.ModuleList(
            ThreeLayers(channels, channels // 8) for _ in range(sizes.masks)
        )
        self.iou_prediction_head = ThreeLayers(channels, sizes.masks)


class TwoWayParts(nn.Module):
    """The weights of the two-way transformer; ``backend.vision.two_way`` uses them."""

    def __init__(self, sizes: SamSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(BlockParts(sizes, first=index == 0) for index in range(sizes.blocks))
        self.final_attn_token_to_image = Attention(sizes, narrowed=NARROWED)
        self.layer_norm_final_attn = nn.LayerNorm(sizes.channels)


class BlockParts(nn.Module):
    """The weights of one block: among tokens, tokens read the image, an MLP, the image reads tokens."""

    def __init__(self, sizes: SamSizes, *, first: bool) -> None:
        super().__init__()
        self.skip_first_layer_pe = first
        self.self_attn = Attention(sizes, narrowed=1)
        self.layer_norm1 = nn.LayerNorm(sizes.channels, eps=sizes.eps)
        self.cross_attn_token_to_image = Attention(sizes, narrowed=NARROWED)
        self.layer_norm2 = nn.LayerNorm(sizes.channels, eps=sizes.eps)
        self.mlp = TwoLayers(sizes.channels, sizes.hidden)
        self.layer_norm3 = nn.LayerNorm(sizes.channels, eps=sizes.eps)
        self.layer_norm4 = nn.LayerNorm(sizes.channels, eps=sizes.eps)
        self.cross_attn_image_to_token = Attention(sizes, narrowed=NARROWED)


class Attention(nn.Module):
    """Attention of several heads, *narrowed* times as narrow inside as the tokens are."""

    def __init__(self, sizes: SamSizes, *, narrowed: int) -> None:
        super().__init__()
        inside = sizes.channels // narrowed
        self.num_attention_heads = sizes.heads
        self.scaling = (inside // sizes.heads) ** -0.5
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(sizes.channels, inside) for _ in range(3))
        self.out_proj = nn.Linear(inside, sizes.channels)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, None]:
        """What each query (1, n, t, C) float reads of the values (1, n, s, C); the shares are not kept."""
        queries, keys, values = (
            layer(tokens[0]).unflatten(-1, (self.num_attention_heads, -1)).transpose(1, 2)
            for layer, tokens in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, value))
        )  # (n, heads, t, d) each
        read = scaled_dot_product_attention(queries, keys, values, scale=self.scaling)
        return self.out_proj(read.transpose(1, 2).flatten(2))[None], None


class TwoLayers(nn.Module):
    """A block's MLP."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (..., C) float to the same."""
        return self.lin2(self.lin1(tokens).relu())  # type: ignore[no-any-return]


class ThreeLayers(nn.Module):
    """A token to the weights of its mask, or to estimated IoUs."""

    def __init__(self, channels: int, answers: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(channels, channels)
        self.layers = nn.ModuleList([nn.Linear(channels, channels)])
        self.proj_out = nn.Linear(channels, answers)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (..., C) float to (..., answers)."""
        hidden = self.layers[0](self.proj_in(tokens).relu()).relu()
        return self.proj_out(hidden)  # type: ignore[no-any-return]
