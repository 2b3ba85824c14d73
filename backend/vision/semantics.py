"""Semantic encoders: what an object is, as a vector, and what each place of an image is, as a map of vectors.

MobileSAM's own features hardly tell classes apart; a network trained to classify or to match words does. All
of them answer the same questions (``SemanticEncoder``): networks that look at crops (``CropEncoder``), and
SAM's own features (``SamSemantics``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import interpolate, normalize, pad

from backend.vision.candidate import HALF_COVERED, cell_coverage
from backend.vision.crops import Colour, crop
from backend.vision.interpolation import linear_weights
from backend.vision.sam import ImageEmbedding
from backend.vision.similarity import LEAST_LENGTH, unit_cells

CROPS_PER_PASS = {"cpu": 4, "cuda": 16}  # measured: a CPU takes a quarter more time for each of 16, and 10 MB
DENSE_CELLS = 32  # along the longest side of an image: 1024 pixels at EfficientNet's stride


class SemanticEncoder(Protocol):
    """What the check and the location prior ask of an encoder."""

    def vectors(
        self, image: NDArray[np.uint8], logits: Tensor, embedding: ImageEmbedding, *, masked: bool
    ) -> Tensor:
        """Say what each of n objects of one image is.

        Args:
            image: RGB, (H, W, 3) uint8.
            logits: low-resolution logits of the objects, (n, 4h, 4w) float; above 0 is object.
            embedding: the image's embedding.
            masked: look at nothing but the object; else at what surrounds it, too.

        Returns:
            Unit vectors, (n, D) float; the cosine of two is their product.
        """

    def dense(self, image: NDArray[np.uint8], embedding: ImageEmbedding) -> Tensor:
        """Say what each place of an image is, in one forward pass.

        Args:
            image: RGB, (H, W, 3) uint8.
            embedding: the image's embedding, for its frame.

        Returns:
            Unit vectors on the embedding's grid, comparable with those of ``vectors``; zeros in the padding;
            (D, h, w) float.
        """

    def text_vector(self, label: str) -> Tensor | None:
        """Say what a thing of that name is.

        Args:
            label: the annotator's name for the thing; empty: anything.

        Returns:
            Unit vector, comparable with those of ``vectors``, (D,) float; None if the encoder cannot read.
        """

    @property
    def text_scale(self) -> float:
        """What it learned to multiply cosines with text by, before a softmax."""


@dataclass(frozen=True, eq=False)
class Words:
    """The half of an encoder that reads.

    Attributes:
        encode: text to its vector in the space of the images, (D,) float.
        scale: what cosines of texts with images are multiplied by before a softmax.
    """

    encode: Callable[[str], Tensor]
    scale: float


@dataclass(frozen=True, eq=False)
class CropEncoder:
    """A network that looks at crops.

    Attributes:
        features: pixels (n, 3, H, W) float, normalised, to feature maps (n, D, H / stride, W / stride).
        input_size: side of a crop, in pixels.
        stride: pixels of an image along a side of a cell of its feature map.
        mean: what the network takes for grey, RGB in [0, 255].
        std: what a pixel is divided by after *mean* is subtracted.
        device: where the network computes.
        pooled: normalised pixels of crops (n, 3, input_size, input_size) float to their vectors (n, D); None:
            the mean of the feature map.
        words: the half that reads; None if there is none.
    """

    features: Callable[[Tensor], Tensor]
    input_size: int = 224
    stride: int = 32
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    device: str = "cpu"
    pooled: Callable[[Tensor], Tensor] | None = None
    words: Words | None = None

    @property
    def fill(self) -> Colour:
        """The colour that says nothing to the network, RGB."""
        red, green, blue = (round(value) for value in self.mean)
        return red, green, blue

    def vectors(
        self, image: NDArray[np.uint8], logits: Tensor, embedding: ImageEmbedding, *, masked: bool
    ) -> Tensor:
        """Encode a crop of each object, see ``SemanticEncoder``."""
        crops = [self.crop(image, one, embedding, masked=masked) for one in logits]
        blank = torch.empty(0, 3, self.input_size, self.input_size, dtype=torch.uint8)
        return self.crop_vectors(torch.stack(crops) if crops else blank)

    def crop(
        self, image: NDArray[np.uint8], logits: Tensor, embedding: ImageEmbedding, *, masked: bool
    ) -> Tensor:
        """Cut one object out as the network wants to see it.

        Args:
            image: RGB, (H, W, 3) uint8.
            logits: low-resolution logits of the object, (4h, 4w) float.
            embedding: the image's embedding, for its frame.
            masked: show nothing but the object; else what surrounds it, too.

        Returns:
            RGB, (3, input_size, input_size) uint8.
        """
        return crop(image, logits, embedding, size=self.input_size, masked=masked, fill=self.fill)

    @torch.no_grad()
    def crop_vectors(self, crops: Tensor) -> Tensor:
        """Encode crops, a bounded number in one pass.

        Args:
            crops: RGB, (n, 3, input_size, input_size) uint8.

        Returns:
            Unit vectors, (n, D) float.
        """
        pooled = self.pooled or (lambda pixels: self.features(pixels).mean(dim=(2, 3)))
        size = CROPS_PER_PASS.get(torch.device(self.device).type, 4)
        encoded = [pooled(self.normalised(batch)) for batch in torch.split(crops, size)]
        return normalize(torch.cat(encoded), dim=1)

    @torch.no_grad()
    def dense(self, image: NDArray[np.uint8], embedding: ImageEmbedding) -> Tensor:
        """Encode the whole image at ``DENSE_CELLS`` cells along its longest side, see ``SemanticEncoder``."""
        pixels = torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]
        height, width = image.shape[:2]
        size_hw = dense_size(height, width, self.stride)
        resized = interpolate(pixels, size_hw, mode="bilinear", antialias=True)
        return on_grid(self.features(self.normalised(resized))[0], embedding)

    @torch.no_grad()
    def text_vector(self, label: str) -> Tensor | None:
        """Encode "a photo of a ...", see ``SemanticEncoder``."""
        if self.words is None:
            return None
        name = label.replace("_", " ").strip()
        return normalize(self.words.encode(f"a photo of a {name}" if name else "a photo"), dim=0)

    @property
    def text_scale(self) -> float:
        """See ``SemanticEncoder``."""
        return self.words.scale if self.words else 1.0

    def normalised(self, pixels: Tensor) -> Tensor:
        """Bring pixels (n, 3, H, W) uint8 to the network's device and scale, float."""
        mean, std = (
            torch.tensor(values, device=self.device)[:, None, None] for values in (self.mean, self.std)
        )
        scaled: Tensor = (pixels.to(self.device).float() - mean) / std
        return scaled


class SamSemantics:
    """SAM's own features, which cost nothing more; they tell parts of an image apart better than classes."""

    text_scale = 1.0

    def vectors(
        self,
        image: NDArray[np.uint8],  # noqa: ARG002 - the embedding says all
        logits: Tensor,
        embedding: ImageEmbedding,
        *,
        masked: bool,  # noqa: ARG002 - there is nothing around a mask
    ) -> Tensor:
        """Average the features under each mask, see ``SemanticEncoder``; zeros for an empty mask."""
        weights = pooling_weights(cell_coverage(logits[:, None] > 0, embedding.grid_hw[0])[:, 0])
        return normalize(torch.einsum("nhw,chw->nc", weights, embedding.features), dim=1)

    def dense(self, image: NDArray[np.uint8], embedding: ImageEmbedding) -> Tensor:  # noqa: ARG002
        """Give the features of each cell, see ``SemanticEncoder``."""
        return unit_cells(embedding.features) * embedding.valid

    def text_vector(self, label: str) -> Tensor | None:  # noqa: ARG002
        """Give nothing: it cannot read."""
        return None


def pooling_weights(coverage: Tensor) -> Tensor:
    """Say how much each cell counts for each mask: by its coverage; the best alone if none is half covered.

    Args:
        coverage: share of each cell that each mask covers, (n, h, w) float in [0, 1].

    Returns:
        Weights, zero for an empty mask, (n, h, w) float.
    """
    best = coverage.amax(dim=(1, 2), keepdim=True)
    alone = (coverage == best) & (coverage > 0)
    return coverage.where(best >= HALF_COVERED, alone.to(coverage.dtype))


def dense_size(height: int, width: int, stride: int) -> tuple[int, int]:
    """Size that gives an image ``DENSE_CELLS`` whole cells along its longest side, (height, width)."""
    scale = DENSE_CELLS / max(height, width)
    return max(1, round(height * scale)) * stride, max(1, round(width * scale)) * stride


def on_grid(features: Tensor, embedding: ImageEmbedding) -> Tensor:
    """Read a feature map of an image at the centres of the cells of its SAM embedding.

    Args:
        features: any grid over exactly the image, (D, rows, columns) float.
        embedding: the image's embedding.

    Returns:
        Unit vectors, zeros in the padding, (D, h, w) float.
    """
    sides = zip(features.shape[1:], embedding.grid_hw, embedding.resized_hw, embedding.valid_hw, strict=True)
    rows, columns = (
        linear_weights((torch.arange(shown) + 0.5) / side * embedding.input_size / resized * own - 0.5, own)
        for own, side, resized, shown in sides
    )
    vectors = features.permute(1, 2, 0)  # side by side in memory, as a CPU's convolutions leave them
    lines = (rows.to(features) @ vectors.flatten(1)).view(-1, *vectors.shape[1:])
    read = columns.to(features) @ lines  # (h, w, D) where the image is
    read /= vector_norm(read, dim=2, keepdim=True).clamp_min(LEAST_LENGTH)
    height, width = (side - shown for side, shown in zip(embedding.grid_hw, embedding.valid_hw, strict=True))
    padded = pad(read, (0, 0, 0, width, 0, height)) if height or width else read
    return padded.permute(2, 0, 1).to(embedding.features.device)
