"""Layers with GELU or a sum computed in one step with them, and attention, as a CPU's library does it best.

Much of a network's time on a CPU goes to writing and reading what is between two layers. torch's compiler
joins them by operators of its own, which need no compiler when they are called directly. They are nobody's
promise: a torch without them computes the same in two steps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints.int8 import Int8Linear

_NEEDED = ("_convolution_pointwise", "_linear_pointwise")
_LEAST, _MOST = 1e-30, 1e30  # sums of exponentials: below, some may be lost; above, products may be infinite
_GELU = ("gelu", (), "none")  # by the error function itself; "tanh" would come near it, and takes longer
_NOTHING = ("none", (), "")
_SUM = ("add", 1.0, None, (), None)


def convolution(
    features: Tensor,
    layer: nn.Conv2d,
    *,
    gelu: bool = False,
    padding: tuple[int, int] | None = None,
    added: Tensor | None = None,
) -> Tensor:
    """A convolution, then GELU or a sum where it is asked for.

    Args:
        features: (n, C, h, w) float.
        layer: its weights.
        gelu: whether GELU follows.
        padding: rows and columns of zeros around the features; the layer's own unless told.
        added: what is added to the result, of its shape; not with GELU.
    """
    around = layer.padding if padding is None else padding
    how = (around, layer.stride, layer.dilation, layer.groups)
    if fusable(features):
        joined = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - it has no other name
        if added is not None:
            total: Tensor = joined.binary(features, added, layer.weight, layer.bias, *how, *_SUM)
            return total
        result: Tensor = joined(features, layer.weight, layer.bias, *how, *(_GELU if gelu else _NOTHING))
        return result
    padding_first = (how[1], how[0], *how[2:])
    plain = F.conv2d(features, layer.weight, layer.bias, *padding_first)  # type: ignore[arg-type]
    if added is not None:
        return plain.add_(added)
    return F.gelu(plain) if gelu else plain


def linear(
    features: Tensor, layer: nn.Linear | Int8Linear, *, gelu: bool = False, added: Tensor | None = None
) -> Tensor:
    """A linear layer over the last dimension, then GELU or a sum where it is asked for.

    Args:
        features: (..., inputs) float.
        layer: its weights.
        gelu: whether GELU follows.
        added: what is added to the result, of its shape; not with GELU.
    """
    if isinstance(layer, Int8Linear):
        return layer.forward(features, gelu=gelu, added=added)
    if fusable(features):
        joined = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - it has no other name
        if added is not None:
            total: Tensor = joined.binary(features, added, layer.weight, layer.bias, "add")
            return total
        result: Tensor = joined(features, layer.weight, layer.bias, *(_GELU if gelu else _NOTHING))
        return result
    plain = F.linear(features, layer.weight, layer.bias)
    if added is not None:
        return plain.add_(added)
    return F.gelu(plain) if gelu else plain


def perceptron(
    features: Tensor, first: nn.Linear | Int8Linear, second: nn.Linear | Int8Linear, *, added: Tensor
) -> Tensor:
    """A linear layer, GELU, a linear layer, and a sum.

    Args:
        features: (..., inputs) float.
        first: its weights.
        second: its weights.
        added: what is added to the result, of its shape.
    """
    if isinstance(first, Int8Linear) and isinstance(second, Int8Linear):
        return first.perceptron(features, second, added=added)
    return linear(linear(features, first, gelu=True), second, added=added)


def attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """What each query sees of the values, (n, heads, queries, d).

    Args:
        query: (n, heads, queries, d) float.
        key: (n, heads, tokens, d) float.
        value: of the same shape.
        bias: what is added to the score of each query and token, (heads, queries, tokens) float.
    """
    if query.device.type == "cpu" and query.dtype is torch.bfloat16:
        seen = _attention_by_products(query, key, value, bias)
        if seen is not None:
            return seen
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])


def _attention_by_products(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor | None:
    """The same by products of many small matrices at once, which torch's own kernel multiplies one by one.

    The exponentials are of the scores as they are, not of what they are below the largest of their row; None
    where one is too large for that, or all of a row are too small.
    """
    queries, keys, values = (each.flatten(0, 1) for each in (query, key, value))
    scores = bias.repeat(len(query), 1, 1)
    scores.baddbmm_(queries, keys.transpose(1, 2), alpha=query.shape[-1] ** -0.5)
    weights = scores.exp_()
    sums = weights.sum(dim=-1, keepdim=True)
    least, most = sums.aminmax()
    if not (least > _LEAST and most < _MOST):  # nor where one is no number
        return None
    return torch.bmm(weights, values).div_(sums).view(query.shape)


def fusable(features: Tensor) -> bool:
    """Whether the library can join a layer on *features* with what follows it."""
    known = features.device.type == "cpu" and features.dtype is not torch.float16  # few CPUs have it
    return known and all(hasattr(torch.ops.mkldnn, name) for name in _NEEDED)
