"""Semantic encoders, open and ready: EfficientNet-Lite0 as the embedded default, or one of transformers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from backend.checkpoints.device import usable_device

EFFICIENTNET_LITE0 = "efficientnet-lite0"

Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class SemanticCheckpoint:
    """An open network that looks at crops.

    Attributes:
        features: normalised pixels (n, 3, H, W) float to feature maps (n, D, H / stride, W / stride).
        pooled: normalised pixels of crops (n, 3, input_size, input_size) float to vectors (n, D); None: the
            mean of the feature map.
        input_size: side of a crop, in pixels.
        stride: pixels along a side of a cell of the feature map.
        mean: subtracted from RGB pixels in [0, 255].
        std: what they are divided by then.
        read: text to its vector in the space of ``pooled``, (D,) float; None if the network cannot read.
        text_scale: what cosines of texts with images are multiplied by before a softmax.
        numerics: names what the weights are computed with, where that is not float32 all through.
    """

    features: Callable[[Tensor], Tensor]
    pooled: Callable[[Tensor], Tensor] | None
    input_size: int
    stride: int
    mean: Colour
    std: Colour
    read: Callable[[str], Tensor] | None = None
    text_scale: float = 1.0
    numerics: str = ""


def open_semantic(
    name: str, *, cache_dir: Path, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> SemanticCheckpoint:
    """Open a semantic encoder; what is not on the disk yet is fetched once.

    Args:
        name: ``efficientnet-lite0``, the id of a transformers checkpoint on the hub, or a folder with one.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: what the default computes with; the others stay float32.

    Raises:
        UnusableCheckpointError: no such checkpoint, a broken one, or one of a family that cannot work.
        UnusableDeviceError: the device is not there.
    """
    where = usable_device(device)
    if name == EFFICIENTNET_LITE0:
        from backend.checkpoints.efficientnet import INPUT_SIZE, MEAN, STD, STRIDE, open_efficientnet_lite0

        network = open_efficientnet_lite0(device, dtype)
        return SemanticCheckpoint(network, None, INPUT_SIZE, STRIDE, MEAN, STD, numerics=network.numerics)
    from backend.checkpoints.semantic_transformers import open_transformers_encoder

    return open_transformers_encoder(name, cache_dir=cache_dir, device=where)
