"""SAM: an RGB image to its embedding, prompts to masks. The only user of transformers' SAM in the core.

Frames: prompts come in pixels of the original image, x before y. Inside, the image is resized so that its
longest side is ``input_size`` and padded with zeros on the right and below: the padded square. Embedding and
low-resolution logits show all of that square.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from transformers import SamModel

from backend.vision.errors import EmbeddingError, ImageError, MaskSizeError, PromptError
from backend.vision.guidance import Guidance

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """What the image encoder says about one image.

    Attributes:
        features: SAM embedding of the padded square, (C, h, w) float.
        size_hw: the original image, in pixels.
        resized_hw: the image inside the padded square, in pixels of that square.
        input_size: side of the padded square.
    """

    features: Tensor
    size_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    input_size: int

    def __post_init__(self) -> None:
        if self.features.ndim != 3 or self.features.shape[1] != self.features.shape[2]:
            raise EmbeddingError(f"expected features of shape (C, h, h), got {tuple(self.features.shape)}")
        if not self.features.is_floating_point():
            raise EmbeddingError(f"expected float features, got {self.features.dtype}")
        if min(self.size_hw) < 1 or min(self.resized_hw) < 1 or max(self.resized_hw) != self.input_size:
            raise EmbeddingError(
                f"expected a longest side of {self.input_size} after the resize, "
                f"got {self.resized_hw} for an image of {self.size_hw}"
            )

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Cells of the padded square, (h, w)."""
        return self.features.shape[1], self.features.shape[2]

    @property
    def valid_hw(self) -> tuple[int, int]:
        """Cells that show some of the image, (h, w); the others are padding."""
        return self.shown(self.grid_hw[0])

    def shown(self, side: int) -> tuple[int, int]:
        """Rows and columns that show some of the image, where the padded square has *side* of each."""
        height, width = self.resized_hw
        return math.ceil(height * side / self.input_size), math.ceil(width * side / self.input_size)

    @property
    def valid(self) -> Tensor:
        """True for cells that show some of the image, (h, w) bool."""
        height, width = self.valid_hw
        valid = torch.zeros(self.grid_hw, dtype=torch.bool, device=self.features.device)
        valid[:height, :width] = True
        return valid


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """What the mask decoder answers to n prompts.

    Attributes:
        logits: low-resolution logits over the padded square, (n, m, 4h, 4w) float; above 0 is object.
        iou: the decoder's own estimate of each mask's IoU, (n, m) float.
    """

    logits: Tensor
    iou: Tensor


class Sam:
    """SAM's image encoder, prompt encoder and mask decoder as pure functions of their arguments.

    Args:
        model: prompt encoder and mask decoder are used; the vision encoder only through *encode_pixels*.
        encode_pixels: normalised padded pixels (1, 3, input_size, input_size) float to (1, C, h, w).
        input_size: side of the padded square, in pixels.
    """

    def __init__(
        self, model: SamModel, encode_pixels: Callable[[Tensor], Tensor], *, input_size: int = 1024
    ) -> None:
        self._model = model
        self._encode_pixels = encode_pixels
        self.input_size = input_size

    @torch.inference_mode()
    def embed(self, image: NDArray[np.uint8]) -> ImageEmbedding:
        """Run the image encoder.

        Args:
            image: RGB, (H, W, 3) uint8.

        Raises:
            ImageError: another shape or dtype.
        """
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape) < 1 or image.dtype != np.uint8:
            raise ImageError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
        height, width = image.shape[:2]
        resized_hw = resized_size(height, width, self.input_size)
        features = self._encode_pixels(preprocess(image, resized_hw, self.input_size))[0]
        return ImageEmbedding(features, (height, width), resized_hw, self.input_size)

    @torch.inference_mode()
    def decode(
        self,
        embedding: ImageEmbedding,
        *,
        points_xy: NDArray[np.floating] | Tensor | None = None,
        labels: NDArray[np.integer] | Tensor | None = None,
        boxes_xyxy: NDArray[np.floating] | Tensor | None = None,
        mask_logits: Tensor | None = None,
        multimask: bool = True,
        guidance: Guidance | None = None,
    ) -> MaskLogits:
        """Predict masks for n prompts on one image.

        Args:
            embedding: the image.
            points_xy: in pixels of the original image, (n, p, 2).
            labels: 1 on the object, 0 beside it, (n, p); needed with points.
            boxes_xyxy: in pixels of the original image, (n, 4).
            mask_logits: low-resolution logits of an earlier decode, (n, 4h, 4w).
            multimask: three masks a prompt (part, whole, more) instead of one.
            guidance: the target, for target-guided attention and target-semantic prompting.

        Raises:
            PromptError: no prompt, or shapes that do not fit together.
        """
        device = embedding.features.device
        count = _count(points_xy, labels, boxes_xyxy, mask_logits)
        points = _to_square(points_xy, embedding, device) if points_xy is not None else None
        boxes = (
            _to_square(np.asarray(boxes_xyxy).reshape(count, 2, 2), embedding, device)
            if boxes_xyxy is not None
            else None
        )
        outputs = [
            self._decode_one(
                embedding,
                points[None, i : i + 1] if points is not None else None,
                torch.as_tensor(labels, device=device)[None, i : i + 1] if labels is not None else None,
                boxes[i : i + 1].reshape(1, 1, 4) if boxes is not None else None,
                mask_logits[i : i + 1, None] if mask_logits is not None else None,
                multimask,
                guidance,
            )
            for i in range(count)
        ]
        return MaskLogits(torch.cat([o[0] for o in outputs]), torch.cat([o[1] for o in outputs]))

    def _decode_one(self, embedding, points, labels, boxes, masks, multimask, guidance):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        sparse, dense = self._model.prompt_encoder(points, labels, boxes, masks)
        masks, iou = self._model.mask_decoder(
            image_embeddings=embedding.features[None],
            image_positional_embeddings=self._model.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask,
            attention_similarity=guidance.attention_similarity.reshape(1, 1, 1, -1) if guidance else None,
            target_embedding=guidance.target_embedding if guidance else None,
        )
        return masks[0].float(), iou[0].float()

    @torch.inference_mode()
    def upscale(self, logits: Tensor, embedding: ImageEmbedding) -> Tensor:
        """Logits at the size of the original image: SAM's postprocess_masks.

        Args:
            logits: low-resolution logits, (..., 4h, 4w) float.
            embedding: the image they belong to.

        Returns:
            Logits without the padding, (..., H, W) float.
        """
        square = (embedding.input_size, embedding.input_size)
        height, width = embedding.resized_hw
        flat = logits.reshape(-1, 1, *logits.shape[-2:])
        flat = F.interpolate(flat, square, mode="bilinear", align_corners=False)
        flat = F.interpolate(
            flat[..., :height, :width], embedding.size_hw, mode="bilinear", align_corners=False
        )
        return flat.reshape(*logits.shape[:-2], *embedding.size_hw)


def resized_size(height: int, width: int, input_size: int) -> tuple[int, int]:
    """Image size with the longest side at *input_size*, in SAM's rounding, (height, width)."""
    scale = input_size / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def preprocess(image: NDArray[np.uint8], resized_hw: tuple[int, int], input_size: int) -> Tensor:
    """Resize, normalise and zero-pad as SAM does.

    Args:
        image: RGB, (H, W, 3) uint8.
        resized_hw: its size in the padded square.
        input_size: side of the padded square.

    Returns:
        Pixels for the image encoder, (1, 3, input_size, input_size) float.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    pixels = F.interpolate(pixels, resized_hw, mode="bilinear", antialias=True).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    height, width = resized_hw
    return F.pad((pixels - mean) / std, (0, input_size - width, 0, input_size - height))


def to_grid(mask: NDArray[np.bool_], embedding: ImageEmbedding, *, side: int | None = None) -> Tensor:
    """Share of each cell that the mask covers.

    Args:
        mask: at the size of the original image, (H, W) bool.
        embedding: the image it belongs to.
        side: cells along a side of the padded square, h unless told; 4h is the frame of low-resolution logits.

    Returns:
        Coverage, (side, side) float in [0, 1]; padding is not covered.

    Raises:
        MaskSizeError: the mask has another size than the image.
    """
    if mask.shape != embedding.size_hw or mask.dtype != np.bool_:
        raise MaskSizeError(f"expected a bool mask of {embedding.size_hw}, got {mask.shape} of {mask.dtype}")
    side = side or embedding.grid_hw[0]
    rows, columns = (
        _overlap(size, resized, embedding.input_size, side)
        for size, resized in zip(embedding.size_hw, embedding.resized_hw, strict=True)
    )
    blocks = torch.from_numpy(np.ascontiguousarray(mask)).split(1024)  # a large mask is never one float copy
    coverage = rows @ torch.cat([block.float() @ columns.T for block in blocks])
    return coverage.clamp(0, 1).to(embedding.features.device)


def _overlap(size: int, resized: int, input_size: int, side: int) -> Tensor:
    """Share of each cell that each original pixel fills along one axis, (side, size)."""
    pixel_edges = torch.arange(size + 1, dtype=torch.float64) * (resized / size * side / input_size)
    cell = torch.arange(side, dtype=torch.float64)[:, None]
    share = (pixel_edges[1:].minimum(cell + 1) - pixel_edges[:-1].maximum(cell)).clamp(min=0)
    return share.float()


def _to_square(xy: NDArray[np.floating] | Tensor, embedding: ImageEmbedding, device: torch.device) -> Tensor:
    """Original pixels (x, y) in pixels of the padded square."""
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    scale = torch.tensor([resized_width / width, resized_height / height], device=device)
    return torch.as_tensor(xy, dtype=torch.float32, device=device) * scale


def _count(points_xy, labels, boxes_xyxy, mask_logits) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Number of prompts, after checking that all agree on it."""
    if (points_xy is None) != (labels is None):
        raise PromptError("expected points and labels together, got only one of them")
    counts = {len(given) for given in (points_xy, boxes_xyxy, mask_logits) if given is not None}
    if len(counts) != 1:
        raise PromptError(f"expected prompts for the same number of masks, got {sorted(counts)}")
    return counts.pop()
