"""SAM's two-way transformer as a pure function, with the target injected where PerSAM injects it.

The weights are those of transformers' classes, or of modules with the same names; the computation is the
published one, arranged for few prompts on one image, where nearly all the work lies in the 4096 image tokens.
Those that come in are the same for all prompts without a mask, and projected once for all
(``shared_tokens``). Later ones are each prompt's own: there the projections are folded into the handful of
prompt tokens that meet them (``q . (W k) = (q W) . k``, likewise for values), so that they are never
projected.
Where a device computes faster with fewer bits, only these large products have them: the content itself, what
is added to it, norms and softmax stay as exact as the weights.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.vision.guidance import Guidance, guided_softmax
from backend.vision.network import SamNetwork

if TYPE_CHECKING:
    from transformers.models.sam.modeling_sam import (
        SamAttention,
        SamTwoWayAttentionBlock,
        SamTwoWayTransformer,
    )


@dataclass(frozen=True, eq=False)
class Projections:
    """What the first block makes of image tokens that all prompts share; d is the width of a head.

    Attributes:
        keys: for prompt tokens that read the image, (heads, d, h * w) float.
        values: what they read, (heads, h * w, d) float.
        queries: for the image that reads prompt tokens, (heads, d, h * w) float.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """The image as the transformer sees it, one token per cell, row by row.

    Attributes:
        content: what is there, (n, h * w, C) float.
        position: positional encoding, (h * w, C) float.
        factor: the content as large products take it: that itself, or with the fewer bits of the position.
        placed: factor + position.
        projected: for the first block, where all prompts share the content (n = 1); None: not yet.
    """

    content: Tensor
    position: Tensor
    factor: Tensor
    placed: Tensor
    projected: Projections | None = None

    @classmethod
    def of(cls, content: Tensor, position: Tensor) -> "ImageTokens":
        """Put content in its place, in whose dtype large products are computed."""
        factor = content.to(position.dtype)
        return cls(content, position, factor, factor + position)


def shared_tokens(transformer: "SamTwoWayTransformer", content: Tensor, position: Tensor) -> ImageTokens:
    """Put content (1, h * w, C) in its place, for many prompts: it pays from the second one on."""
    image = ImageTokens.of(content, position)
    placed = content + position.to(content)
    read = transformer.layers[0].cross_attn_token_to_image
    write = transformer.layers[0].cross_attn_image_to_token
    keys, values, queries = (
        projection(tokens[0]).view(len(tokens[0]), attention.num_attention_heads, -1).transpose(0, 1)
        for attention, projection, tokens in (
            (read, read.k_proj, placed),
            (read, read.v_proj, image.content),
            (write, write.q_proj, placed),
        )
    )  # (heads, h * w, d) each
    projected = Projections(
        keys.transpose(1, 2).contiguous(), values.contiguous(), queries.transpose(1, 2).contiguous()
    )
    return replace(image, projected=projected)


def cell_positions(model: SamNetwork, products: torch.dtype) -> Tensor:
    """Positional encoding of every cell of a model's embedding, row by row, (h * w, C) of *products*."""
    with torch.no_grad():
        position: Tensor = model.get_image_wide_positional_embeddings()[0]  # (C, h, w)
    return position.flatten(1).T.to(products).contiguous()


def joined(own: Tensor, prompts: Tensor) -> Tensor:
    """A decoder's own tokens (k, C) before those of each of n prompts (n, p, C), (n, k + p, C)."""
    return torch.cat([own.expand(len(prompts), -1, -1), prompts.to(own.dtype)], dim=1)


def on_grid(content: Tensor) -> Tensor:
    """Image tokens (n, h * w, C) of a square in their places, (n, C, h, w)."""
    n, cells, channels = content.shape
    side = math.isqrt(cells)
    return content.transpose(1, 2).reshape(n, channels, side, side)


def two_way(
    transformer: "SamTwoWayTransformer",
    tokens: Tensor,
    image: ImageTokens,
    guidance: Guidance | None,
    *,
    answering: Sequence[int],
) -> tuple[Tensor, ImageTokens]:
    """Prompt tokens that answer (n, a, C) and image tokens, each informed of the other.

    PerSAM, "Target-semantic Prompting": the target embedding joins all prompt tokens before each block; the
    published code adds in place, so it also joins the encoding that every later step adds to them. In
    ``exact`` it joins them once more before the final attention.

    Args:
        transformer: transformers' two-way transformer, whose weights are used.
        tokens: the decoder's own tokens and the embedded prompts, (n, t, C) float.
        image: the image, with the mask prompts joined.
        guidance: the target.
        answering: numbers of the a tokens that are asked for: the others need no last look at the image.
    """
    target = torch.zeros_like(tokens[0, 0]) if guidance is None else guidance.target_embedding.to(tokens)
    queries = encoding = tokens + target
    for index, layer in enumerate(transformer.layers):
        queries = queries if index == 0 else queries + target
        queries = _among_tokens(layer, queries, encoding)
        read = _read_image(layer.cross_attn_token_to_image, queries + encoding, image, guidance)
        queries = layer.layer_norm2(queries + read)
        queries = layer.layer_norm3(queries + layer.mlp(queries))
        written = _write_image(layer.cross_attn_image_to_token, image, queries + encoding, queries)
        image = ImageTokens.of(layer.layer_norm4(written), image.position)
    queries, encoding = (each[:, list(answering)] for each in (queries, encoding))
    placed = queries + encoding
    if guidance is not None and guidance.mode == "exact":
        placed = placed + target
    queries = queries + _read_image(transformer.final_attn_token_to_image, placed, image, None)
    return transformer.layer_norm_final_attn(queries), image


def _among_tokens(layer: "SamTwoWayAttentionBlock", queries: Tensor, encoding: Tensor) -> Tensor:
    """The prompt tokens (n, t, C) after they attended to each other."""
    first = layer.skip_first_layer_pe
    placed = queries if first else queries + encoding
    read: Tensor = layer.self_attn(query=placed[None], key=placed[None], value=queries[None])[0][0]
    return layer.layer_norm1(read if first else queries + read)  # type: ignore[no-any-return]


def _read_image(
    attention: "SamAttention", queries: Tensor, image: ImageTokens, guidance: Guidance | None
) -> Tensor:
    """What each prompt token (n, t, C) reads from the image, (n, t, C)."""
    n, t, channels = queries.shape
    heads = attention.num_attention_heads
    query = attention.q_proj(queries).view(n, t, heads, -1) * attention.scaling
    if image.projected is not None:
        logits = _by_head(query) @ image.projected.keys
        read = guided_softmax(logits, guidance) @ image.projected.values  # (heads, n * t, d)
        return _out_proj(attention)(read.transpose(0, 1).reshape(n, t, -1))  # type: ignore[no-any-return]
    folded = torch.einsum("nthd,hdc->nhtc", query, attention.k_proj.weight.view(heads, -1, channels))
    logits = product(folded.flatten(1, 2), image.placed.transpose(1, 2))
    shares = guided_softmax(logits, guidance)  # (n, heads * t, h * w); the key's bias cancels
    read = product(shares, image.factor).view(n, heads, t, channels)
    values = torch.einsum("nhtc,hdc->nthd", read, attention.v_proj.weight.view(heads, -1, channels))
    return _out_proj(attention)(values.flatten(2) + attention.v_proj.bias)  # type: ignore[no-any-return]


def _write_image(attention: "SamAttention", image: ImageTokens, keys: Tensor, values: Tensor) -> Tensor:
    """The image tokens with what each of them reads from the prompt tokens (n, t, C) added, (n, h * w, C)."""
    n, t, channels = keys.shape
    heads = attention.num_attention_heads
    key = attention.k_proj(keys).view(n, t, heads, -1) * attention.scaling
    if image.projected is not None:
        logits = (_by_head(key) @ image.projected.queries).view(heads, n, t, -1).transpose(0, 1)
    else:
        folded = torch.einsum("nthd,hdc->nhtc", key, attention.q_proj.weight.view(heads, -1, channels))
        bias = torch.einsum("nthd,hd->nht", key, attention.q_proj.bias.view(heads, -1)).reshape(n, -1, 1)
        logits = product(folded.flatten(1, 2), _each(image.placed, n).transpose(1, 2)).add_(bias)
    shares = logits.reshape(n, heads, t, -1).softmax(2, dtype=torch.float32).to(logits.dtype)
    value = attention.v_proj(values).view(n, t, heads, -1)
    out_proj = _out_proj(attention)
    written = torch.einsum("nthd,chd->nhtc", value, out_proj.weight.view(channels, heads, -1))
    written[:, 0] += out_proj.bias  # shares sum to 1, so the first head may bring the bias
    written = written.flatten(1, 2).to(image.factor.dtype)
    return product(shares.flatten(1, 2).transpose(1, 2), written).add_(image.content)


def product(one: Tensor, other: Tensor) -> Tensor:
    """The product of (n, a, b) and (n or 1, b, c), computed in the dtype of *other*, in that of *one*."""
    if len(one) == len(other) == 1:  # much faster, of one prompt
        return (one[0].to(other.dtype) @ other[0]).to(one.dtype)[None]
    return (one.to(other.dtype) @ other).to(one.dtype)


def _by_head(tokens: Tensor) -> Tensor:
    """Tokens (n, t, heads, d) one head after the other, (heads, n * t, d)."""
    return tokens.flatten(0, 1).transpose(0, 1)


def _out_proj(attention: "SamAttention") -> torch.nn.Linear:
    """The last projection of an attention, which SAM 2 calls otherwise."""
    return attention.out_proj if hasattr(attention, "out_proj") else attention.o_proj  # type: ignore[no-any-return]


def _each(x: Tensor, n: int) -> Tensor:
    """One for all as one for each, without copying."""
    return x.expand(n, -1, -1)
