"""Linear layers of 8 bits, for CPUs that multiply such numbers several times as fast as floats.

Each output channel of the weights has a scale of its own, once and for all; what goes in has one scale and
one zero for all of its values, found anew each time. What comes out are floats of the kind that went in; only
between the two layers of a perceptron are there whole numbers all the way. The operator is the one that
torch's own compiler uses; it is nobody's promise, so it is tried before it is relied upon.
"""

import math
from functools import cache

import torch
from torch import Tensor, nn

LEVELS = (256, 128)  # values that what goes in may have; with more, sums of 16 bits would be too large
_LARGEST_WEIGHT = 127
_LEAST_SCALE = 1e-30  # of nothing but zeros
_TRIED = (160, 16)  # inputs and outputs of a layer
_PLAIN = (1.0, 0)  # neither scaled nor shifted
_GELU = ("gelu", (), "none")  # by the error function itself
_LEAST_GELU = -0.17
_NOTHING = ("none", (), "")
_SUM = (*_PLAIN, "add", 1.0, *_NOTHING)
_SAMPLED = 16  # one token of as many tells how large the values between two layers become
_HEADROOM = 1.5  # they may be as many times as large


Numbers = tuple[Tensor, float, int]
"""Whole numbers, (n, C) uint8; what one of them is worth; which of them is zero."""


class Int8Linear(nn.Module):
    """A linear layer computed with 8 bits, on a CPU.

    Args:
        layer: its weights, float32.
        levels: how many values what goes in may have; None: as many as this CPU can add up.
    """

    def __init__(self, layer: nn.Linear, *, levels: int | None = None) -> None:
        super().__init__()
        self._levels = usable_levels() if levels is None else levels
        self._outputs = layer.out_features
        self._bias = layer.bias.detach()
        weight = layer.weight.detach()
        self._scales = (weight.abs().amax(dim=1) / _LARGEST_WEIGHT).clamp_min(_LEAST_SCALE)
        numbers = (weight / self._scales[:, None]).round_().to(torch.int8)
        self._weight = torch.ops.onednn.qlinear_prepack(numbers, None)
        self._zeros = torch.zeros(self._outputs, dtype=torch.int64)

    def forward(self, features: Tensor, *, gelu: bool = False, added: Tensor | None = None) -> Tensor:
        """The layer over the last dimension, then GELU or a sum where it is asked for.

        Args:
            features: (..., inputs) float.
            gelu: whether GELU follows.
            added: what is added to the result, of its shape and kind of floats; not with GELU.
        """
        numbers = self._rounded(features)
        if added is None:
            result = self._product(numbers, _PLAIN, features.dtype, gelu=gelu)
        else:
            result = self._sum(numbers, added.reshape(-1, self._outputs))
        return result.view(*features.shape[:-1], self._outputs)

    def perceptron(self, features: Tensor, second: "Int8Linear", *, added: Tensor) -> Tensor:
        """This layer, GELU, *second*, and a sum.

        Some of the tokens tell how large the values between the layers become, and so what their whole
        numbers are worth. Where others prove larger, all are computed anew.

        Args:
            features: (..., inputs) float.
            second: the layer after GELU.
            added: what is added to the result, (..., outputs of *second*) float.
        """
        numbers, scale, zero = self._rounded(features)
        some = numbers[::_SAMPLED].contiguous()
        largest = self._product((some, scale, zero), _PLAIN, torch.float32, gelu=True).amax()
        most = _HEADROOM * max(float(largest), -_LEAST_GELU)
        while True:
            worth = scale_and_zero(_LEAST_GELU, most, second._levels)  # noqa: SLF001 - of its own class
            hidden = self._product((numbers, scale, zero), worth, torch.uint8, gelu=True)
            if int(hidden.max()) < second._levels - 1:  # noqa: SLF001
                other = added.reshape(-1, added.shape[-1])
                return second._sum((hidden, *worth), other).view(added.shape)  # noqa: SLF001
            most *= 2

    def _rounded(self, features: Tensor) -> Numbers:
        """What goes in, (..., inputs) float, as whole numbers."""
        return rounded(features.reshape(-1, features.shape[-1]).float(), self._levels)

    def _product(
        self, numbers: Numbers, worth: tuple[float, int], dtype: torch.dtype, *, gelu: bool
    ) -> Tensor:
        """The layer, then GELU where it is asked for; whole numbers are *worth* a scale, from a zero on."""
        after = _GELU if gelu else _NOTHING
        product = torch.ops.onednn.qlinear_pointwise
        factors = (*numbers, self._weight, self._scales, self._zeros)
        result: Tensor = product(*factors, self._bias, *worth, dtype, *after)
        return result

    def _sum(self, numbers: Numbers, added: Tensor) -> Tensor:
        """The layer and what is added to it, (n, outputs) float."""
        product = torch.ops.onednn.qlinear_pointwise.binary
        factors = (*numbers, self._weight, self._scales, self._zeros)
        result: Tensor = product(*factors, added, self._bias, *_PLAIN, added.dtype, *_SUM)
        return result


def rounded(features: Tensor, levels: int) -> Numbers:
    """Features as whole numbers.

    Args:
        features: (n, C) float32, finite.
        levels: how many whole numbers there are, from 0 on.
    """
    least, most = (float(one) for one in torch.aminmax(features))
    scale, zero = scale_and_zero(min(least, 0.0), max(most, 0.0), levels)
    middle = 128  # floats become int8 several times as fast as uint8
    shifted = torch.add(torch.tensor(float(zero - middle)), features, alpha=1 / scale).round_()
    return shifted.to(torch.int8).bitwise_xor_(-middle).view(torch.uint8), scale, zero


def scale_and_zero(least: float, most: float, levels: int) -> tuple[float, int]:
    """What a whole number is worth, and which of them is zero, for values from *least* to *most*.

    Of *levels* of them two are left free at the ends: rounding must not lead beyond.
    """
    scale = max((most - least) / (levels - 3), _LEAST_SCALE)
    return scale, math.floor(-least / scale) + 1


def make_int8(network: nn.Module) -> None:
    """Put ``Int8Linear`` in the place of all linear layers of a network."""
    for part in list(network.modules()):
        for name, layer in part.named_children():
            if isinstance(layer, nn.Linear):
                setattr(part, name, Int8Linear(layer))


@cache
def usable_levels() -> int:
    """How many values may go in on this CPU, the most that it adds up rightly; 0: none, or not this torch.

    CPUs without VNNI add two products up in 16 bits, of which 255 * 127 twice is too much.
    """
    return next((levels for levels in LEVELS if _adds_up(levels)), 0)


@torch.no_grad()
def _adds_up(levels: int) -> bool:
    """Whether sums are right where all that is multiplied is as large as it can be."""
    layer = nn.Linear(*_TRIED)
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    features = torch.ones(2, _TRIED[0])
    try:
        tried = Int8Linear(layer, levels=levels)
        sums = torch.stack([tried(features), tried(features, added=torch.zeros(2, _TRIED[1]))])
    except (AttributeError, RuntimeError):  # what torch raises where it lacks the operator
        return False
    return bool((sums / _TRIED[0] - 1).abs().max() < 1 / levels)
