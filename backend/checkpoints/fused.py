"""Layers with GELU computed in one step with them, where the CPU's library can.

Much of a network's time on a CPU goes to writing and reading what is between two layers. torch's compiler
joins them by operators of its own, which need no compiler when they are called directly. They are nobody's
promise: a torch without them computes the same in two steps.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

_NEEDED = ("_convolution_pointwise", "_linear_pointwise")
_EXACT = "none"  # the error function itself; "tanh" would come near it


def convolution(
    features: Tensor, layer: nn.Conv2d, *, gelu: bool = False, padding: tuple[int, int] | None = None
) -> Tensor:
    """A convolution, then GELU where it is asked for.

    Args:
        features: (n, C, h, w) float.
        layer: its weights.
        gelu: whether GELU follows.
        padding: rows and columns of zeros around the features; the layer's own unless told.
    """
    around = layer.padding if padding is None else padding
    how = (around, layer.stride, layer.dilation, layer.groups)
    if fusable(features):
        after: tuple[str, list[float], str] = ("gelu", [], _EXACT) if gelu else ("none", [], "")
        joined = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - it has no other name
        result: Tensor = joined(features, layer.weight, layer.bias, *how, *after)
        return result
    padding_first = (how[1], how[0], *how[2:])
    plain = F.conv2d(features, layer.weight, layer.bias, *padding_first)  # type: ignore[arg-type]
    return F.gelu(plain) if gelu else plain


def linear(features: Tensor, layer: nn.Linear, *, gelu: bool = False) -> Tensor:
    """A linear layer over the last dimension, then GELU where it is asked for."""
    if gelu and fusable(features):
        joined = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - it has no other name
        result: Tensor = joined(features, layer.weight, layer.bias, "gelu", [], _EXACT)
        return result
    plain = F.linear(features, layer.weight, layer.bias)
    return F.gelu(plain) if gelu else plain


def fusable(features: Tensor) -> bool:
    """Whether the library can join a layer on *features* with what follows it."""
    return features.device.type == "cpu" and all(hasattr(torch.ops.mkldnn, name) for name in _NEEDED)
