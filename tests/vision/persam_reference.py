"""PerSAM's mask decoder written out once more, from the published code, for parity tests.

Weights come as a plain dict under the names of transformers; the arithmetic is plain torch and shares nothing
with the core.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A linear layer."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(weights: Weights, name: str, x: Tensor, eps: float) -> Tensor:
    """A layer norm over the last axis."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attention(
    weights: Weights, name: str, q: Tensor, k: Tensor, v: Tensor, heads: int, similarity: Tensor | None = None
) -> Tensor:
    """Attention.forward of PerSAM's modeling/transformer.py, one prompt: (t, C) and (s, C) to (t, C)."""
    q, k, v = (
        linear(weights, f"{name}.{part}_proj", x).reshape(len(x), heads, -1).transpose(0, 1)
        for part, x in (("q", q), ("k", k), ("v", v))
    )
    shares = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
    if similarity is not None:
        shares = (shares + similarity).softmax(-1)
    return linear(weights, f"{name}.out_proj", (shares @ v).transpose(0, 1).flatten(1))


def feed_forward(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A perceptron of three layers, ReLU between them."""
    x = linear(weights, f"{name}.proj_in", x).relu()
    x = linear(weights, f"{name}.layers.0", x).relu()
    return linear(weights, f"{name}.proj_out", x)


def two_way(
    weights: Weights,
    tokens: Tensor,
    image: Tensor,
    position: Tensor,
    similarity: Tensor,
    target: Tensor,
    heads: int,
) -> tuple[Tensor, Tensor]:
    """TwoWayTransformer.forward: tokens (t, C), image and its positional encoding (s, C)."""
    queries, query_encoding = tokens, tokens
    for i in range(2):
        at, eps = f"transformer.layers.{i}", 1e-6
        queries = queries + target
        if i == 0:
            query_encoding = queries  # `queries += target_embedding` changes what both names stand for
            queries = attention(weights, f"{at}.self_attn", queries, queries, queries, heads)
        else:
            q = queries + query_encoding
            queries = queries + attention(weights, f"{at}.self_attn", q, q, queries, heads)
        queries = norm(weights, f"{at}.layer_norm1", queries, eps)
        name = f"{at}.cross_attn_token_to_image"
        q, k = queries + query_encoding, image + position
        queries = queries + attention(weights, name, q, k, image, heads, similarity)
        queries = norm(weights, f"{at}.layer_norm2", queries, eps)
        hidden = linear(weights, f"{at}.mlp.lin1", queries).relu()
        queries = norm(weights, f"{at}.layer_norm3", queries + linear(weights, f"{at}.mlp.lin2", hidden), eps)
        q, k = queries + query_encoding, image + position
        image = image + attention(weights, f"{at}.cross_attn_image_to_token", k, q, queries, heads)
        image = norm(weights, f"{at}.layer_norm4", image, eps)
    q = queries + query_encoding + target
    final = attention(weights, "transformer.final_attn_token_to_image", q, image + position, image, heads)
    return norm(weights, "transformer.layer_norm_final_attn", queries + final, 1e-5), image


def masks_and_iou(
    weights: Weights, tokens: Tensor, image: Tensor, gelu: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """MaskDecoder.predict_masks after the transformer: all four masks."""
    side = int(len(image) ** 0.5)
    fine = image.T.reshape(1, -1, side, side)
    fine = upscaled(weights, "upscale_conv1", fine)
    fine = norm(weights, "upscale_layer_norm", fine.permute(0, 2, 3, 1), 1e-6).permute(0, 3, 1, 2)
    fine = gelu(upscaled(weights, "upscale_conv2", gelu(fine)))
    mixes = [feed_forward(weights, f"output_hypernetworks_mlps.{i}", tokens[1 + i]) for i in range(4)]
    masks = torch.einsum("mc,chw->mhw", torch.stack(mixes), fine[0])
    return masks, feed_forward(weights, "iou_prediction_head", tokens[0])


def upscaled(weights: Weights, name: str, x: Tensor) -> Tensor:
    """A transposed convolution."""
    return torch.nn.functional.conv_transpose2d(
        x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2
    )
