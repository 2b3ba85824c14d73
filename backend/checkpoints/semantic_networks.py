"""Transformers' vision networks as feature maps: one vector for each patch of an image."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.checkpoints.errors import UnusableCheckpointError

MOST_SPECIAL_TOKENS = 32  # class tokens and registers that stand before the patches
CONVOLUTIONAL_STRIDE = 32
SMALLEST_PATCH = 8  # what has smaller ones merges them on the way


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """A convolutional network, or any whose output is a map."""

    model: nn.Module
    stride: int

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, H, W) float to feature maps (n, D, H / stride, W / stride)."""
        return hidden_state(self.model, pixels)


@dataclass(frozen=True, eq=False)
class PatchTokens:
    """A vision transformer: its last tokens without the *special* first ones; their mean is the vector."""

    model: nn.Module
    stride: int
    special: int

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, H, W) float to feature maps (n, D, H / stride, W / stride)."""
        return as_map(hidden_state(self.model, pixels)[:, self.special :], pixels, self.stride)


@dataclass(frozen=True, eq=False)
class Clip:
    """CLIP's vision half, projected into the space of its texts.

    Only the class token was trained to be there. The patches go the same way, normalisation and projection,
    which is an approximation.
    """

    model: Any
    stride: int

    def pooled(self, pixels: Tensor) -> Tensor:
        """Image features, as CLIP compares them with texts, (n, D) float."""
        return image_features(self.model, pixels)

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, H, W) float to feature maps (n, D, H / stride, W / stride)."""
        vision = self.model.vision_model
        patches = hidden_state(vision, pixels)[:, 1:]
        projected = self.model.visual_projection(vision.post_layernorm(patches))
        return as_map(projected, pixels, self.stride)


@dataclass(frozen=True, eq=False)
class Siglip:
    """SigLIP's vision half, pooled by its attention head into the space of its texts.

    The head was trained on all patches together. Given one patch alone it attends to that, which is an
    approximation of what the patch says.
    """

    model: Any
    stride: int

    def pooled(self, pixels: Tensor) -> Tensor:
        """Image features, as SigLIP compares them with texts, (n, D) float."""
        return image_features(self.model, pixels)

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised pixels (n, 3, H, W) float to feature maps (n, D, H / stride, W / stride)."""
        vision = self.model.vision_model
        patches = hidden_state(vision, pixels)
        alone = vision.head(patches.flatten(0, 1)[:, None])
        return as_map(alone.reshape(patches.shape), pixels, self.stride)


def vision_network(model: nn.Module, config: Any) -> FeatureMap | PatchTokens:  # noqa: ANN401
    """Say how to read a vision network, from what it makes of a small image.

    Args:
        model: takes ``pixel_values``.
        config: of the model; says how large its patches are, if it has any.

    Raises:
        UnusableCheckpointError: its output cannot be laid on the image.
    """
    patch_size = getattr(config, "patch_size", None)
    patch = patch_size if isinstance(patch_size, int) else CONVOLUTIONAL_STRIDE
    unit = patch if patch >= SMALLEST_PATCH else CONVOLUTIONAL_STRIDE
    height, width = 2 * unit, 3 * unit
    weight = next(model.parameters())
    with torch.no_grad():
        hidden = hidden_state(model, torch.zeros(1, 3, height, width, device=weight.device))
    if hidden.ndim == 4 and hidden.shape[2] * width == hidden.shape[3] * height:
        return FeatureMap(model, stride=height // hidden.shape[2])
    special = hidden.shape[1] - (height // patch) * (width // patch)
    if hidden.ndim == 3 and 0 <= special <= MOST_SPECIAL_TOKENS:
        return PatchTokens(model, patch, special)
    raise UnusableCheckpointError(
        f"expected a map or one token per patch of {patch} from {height} x {width} pixels, "
        f"got {tuple(hidden.shape)}"
    )


def hidden_state(model: nn.Module, pixels: Tensor) -> Tensor:
    """Last hidden state of a vision model, whatever the size of the image."""
    state: Tensor = model(pixel_values=pixels, **any_size(model)).last_hidden_state
    return state


def image_features(model: Any, pixels: Tensor) -> Tensor:  # noqa: ANN401 - CLIP or SigLIP, both untyped
    """Vectors of whole images in the space of the texts, (n, D) float."""
    features: Tensor = model.get_image_features(
        pixel_values=pixels, interpolate_pos_encoding=True
    ).pooler_output
    return features


def any_size(model: nn.Module) -> dict[str, bool]:
    """Options that make a model interpolate its position encodings; some do so by themselves."""
    if "interpolate_pos_encoding" in inspect.signature(model.forward).parameters:
        return {"interpolate_pos_encoding": True}
    return {}


def as_map(tokens: Tensor, pixels: Tensor, stride: int) -> Tensor:
    """Lay tokens (n, rows * columns, D) on the pixels (n, 3, H, W) they come from, (n, D, rows, columns)."""
    height, width = pixels.shape[2:]
    grid = tokens.reshape(len(tokens), height // stride, width // stride, -1)
    return grid.permute(0, 3, 1, 2)
