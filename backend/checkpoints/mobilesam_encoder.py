"""MobileSAM's image encoder: from its ONNX file to torch, and ready to run.

Normalisations were folded into the convolutions before them when the file was written. What lost its name
then is named after the node that uses it: ``/layers.1/blocks.0/attn/qkv/MatMul`` has the weight of
``layers.1.blocks.0.attn.qkv``.
"""

import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from backend.checkpoints.errors import MAKE_ANEW, DamagedDownloadError, UnusableCheckpointError
from backend.checkpoints.int8 import make_int8, usable_levels
from backend.checkpoints.tiny_vit import STRIDE, TinyViT

if TYPE_CHECKING:
    import onnx  # needed once, to convert

INPUT_SIZE = 1024
MARGIN = 1  # cells of padding that are computed with the image: those that are least like all others

_PLACES = ".attn.Constant_5"  # the bias of attention for each two places of a window
_NODE = re.compile(r"(?P<layer>.+)\.(?P<operation>Conv|MatMul|Mul|Add_1)$")
_REPEATED = re.compile(r"\b(seq|neck)\.(?=\1\.)")  # a sequence's layers carry its name twice


class MobileSamEncoder:
    """MobileSAM's image encoder in torch; padding is computed no further than it matters.

    Args:
        weights: a safetensors file of ``encoder_weights``.
        device: where it runs.
        dtype: what it computes with.
        int8: whether linear layers are computed with that; on a CPU.

    Attributes:
        numerics: names what the same weights are computed with: with another, features differ by rounding.

    Raises:
        UnusableCheckpointError: the file cannot be read, or has other weights.
    """

    def __init__(
        self,
        weights: Path,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        int8: bool = False,
    ) -> None:
        self._device, self._dtype = device, dtype
        linear = f" int8 of {usable_levels()} levels" if int8 else ""
        self.numerics = f"torch {dtype}{linear} margin {MARGIN}, padding beyond"
        network = TinyViT()
        try:
            network.load_state_dict(load_file(weights))
        except (OSError, RuntimeError, SafetensorError) as exc:
            raise UnusableCheckpointError(
                f"cannot open {weights} as MobileSAM's image encoder: {exc}. {MAKE_ANEW}"
            ) from exc
        network.eval().requires_grad_(requires_grad=False)
        if int8:
            make_int8(network)
        network = network.to(device, dtype)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features of images in padded squares, (n, 256, 64, 64) float.

        In cells of padding they are those of a square of nothing but padding.

        Args:
            pixels: normalised pixels, (n, 3, 1024, 1024) float; padding on the right and below is zeros,
                which no pixel of an image is once the mean is subtracted.
        """
        height, width = shown_cells(pixels)
        shown = pixels[..., : beyond(height) * STRIDE, : beyond(width) * STRIDE]
        prepared = shown.to(self._device, self._dtype, memory_format=torch.channels_last)
        features: Tensor = self._network(prepared).float()
        if shown.shape == pixels.shape:
            return features
        square = self._padding.repeat(len(pixels), 1, 1, 1)
        square[..., :height, :width] = features[..., :height, :width]
        return square

    @cached_property
    def _padding(self) -> Tensor:
        """What is said about padding alone, (1, 256, 64, 64) float."""
        pixels = torch.zeros(1, 3, INPUT_SIZE, INPUT_SIZE, device=self._device, dtype=self._dtype)
        features: Tensor = self._network(pixels).float()
        return features


def shown_cells(pixels: Tensor) -> tuple[int, int]:
    """Rows and columns of cells that show some of an image, at least one of each.

    Its first column and its first row tell: no pixel of an image is zeros.
    """
    rows, columns = pixels[..., :, 0].any(dim=(0, 1)), pixels[..., 0, :].any(dim=(0, 1))
    height, width = (int(seen.nonzero()[-1]) + 1 if seen.any() else 1 for seen in (rows, columns))
    return math.ceil(height / STRIDE), math.ceil(width / STRIDE)


def beyond(cells: int) -> int:
    """The cells that are computed where *cells* show the image."""
    return min(cells + MARGIN, INPUT_SIZE // STRIDE)


def encoder_weights(path: Path) -> dict[str, Tensor]:
    """Weights of a ``TinyViT``, out of the ONNX file of MobileSAM's image encoder.

    Raises:
        DamagedDownloadError: the file lacks a weight, or has one that the network does not know.
    """
    import onnx

    graph = onnx.load(path).graph
    weights = dict(_weights(graph))
    expected = TinyViT().state_dict()
    missing, unexpected = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    if missing or unexpected:
        raise DamagedDownloadError(
            f"{path.name}: missing {sorted(missing)[:5]}, unexpected {sorted(unexpected)[:5]}"
        )
    return {name: weights[name].reshape(expected[name].shape).contiguous() for name in expected}


def _weights(graph: "onnx.GraphProto") -> Iterator[tuple[str, Tensor]]:
    """Every weight under the name that it has in ``TinyViT``."""
    from onnx import numpy_helper

    constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in graph.initializer}
    for name, weight in constants.items():
        if not name.startswith("onnx::"):
            yield name, weight
    for node in graph.node:
        name = node.name.strip("/").replace("/", ".")
        if node.op_type == "Constant" and name.endswith(_PLACES):
            places = numpy_helper.to_array(node.attribute[0].t).copy()
            yield name.replace(_PLACES, ".attn.bias"), torch.from_numpy(places)
        yield from _nameless(name, [constants[each] for each in node.input if each.startswith("onnx::")])


def _nameless(node: str, constants: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
    """What a node uses that has no name of its own, named after it."""
    found = _NODE.match(node)
    if found is None:
        return
    layer = _REPEATED.sub("", found["layer"])
    operation = found["operation"]
    for constant in constants:
        if operation == "MatMul":
            yield f"{layer}.weight", constant.T
        else:
            flat = operation == "Add_1" or (operation == "Conv" and constant.ndim == 1)
            yield f"{layer}.{'bias' if flat else 'weight'}", constant
