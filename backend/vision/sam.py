"""SAM: an RGB image to its embedding, prompts to masks.

Frames: prompts come in pixels of the original image, x before y. Inside, the image is resized so that its
longest side is ``input_size`` and padded with zeros on the right and below: the padded square. SAM 2 and its
kin stretch the image over the square instead; there is no padding then. Embedding and low-resolution logits
show all of that square.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.vision.errors import EmbeddingError, ImageError, MaskSizeError
from backend.vision.family import family_of
from backend.vision.guidance import Guidance
from backend.vision.network import SamNetwork
from backend.vision.prompts import Numbers, Prompts
from backend.vision.sketch import Worth
from backend.vision.two_way import ImageTokens

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
PROMPTS_PER_PASS = {"cpu": 1, "cuda": 32}  # measured: a CPU's caches hold one prompt's image tokens, not two
SHIFTS_KEPT = 3  # tuned prompts, none among them, of which what an image shares is kept
MASK_ROWS_PER_PASS = 1024  # a large mask is never one float copy


@dataclass(frozen=True, eq=False)
class ImageEmbedding:
    """What the image encoder says about one image.

    Attributes:
        features: SAM embedding of the padded square, (C, h, w) float.
        size_hw: the original image, in pixels.
        resized_hw: the image inside the padded square, in pixels of that square.
        input_size: side of the padded square.
        fine: what the mask decoder needs besides, of the same square on finer grids, each (C', h', h') float.
    """

    features: Tensor
    size_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    input_size: int
    fine: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.features.shape)
        if len(shape) != 3 or shape[1] != shape[2] or not self.features.is_floating_point():
            raise EmbeddingError(
                f"expected float features (C, h, h) of a padded square, got {shape} {self.features.dtype}"
            )
        kept, stretched = resized_size(*self.size_hw, self.input_size), (self.input_size,) * 2
        if self.resized_hw not in (kept, stretched):
            raise EmbeddingError(
                f"expected an image of {self.size_hw} at {kept} or {stretched} in a square of "
                f"{self.input_size}, got {self.resized_hw}"
            )
        for fine in (tuple(one.shape) for one in self.fine):
            if len(fine) != 3 or fine[1] != fine[2] or fine[1] % shape[1]:
                raise EmbeddingError(f"expected finer features (C, kh, kh) of {shape}, got {fine}")

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Cells of the padded square, (h, w)."""
        return self.features.shape[1], self.features.shape[2]

    @property
    def valid_hw(self) -> tuple[int, int]:
        """Cells that show some of the image, (h, w); the others are padding."""
        return self.shown_hw(self.grid_hw[0])

    def shown_hw(self, side: int) -> tuple[int, int]:
        """Rows and columns that show some of the image, where the padded square has *side* of each."""
        height, width = self.resized_hw
        return math.ceil(height * side / self.input_size), math.ceil(width * side / self.input_size)

    @cached_property
    def valid(self) -> Tensor:
        """True for cells that show some of the image, (h, w) bool."""
        height, width = self.valid_hw
        valid = torch.zeros(self.grid_hw, dtype=torch.bool, device=self.features.device)
        valid[:height, :width] = True
        return valid

    @cached_property
    def cells(self) -> Tensor:
        """The features cell by cell, row by row, (h * w, C) float."""
        return self.features.flatten(1).T.contiguous()


@dataclass(frozen=True, eq=False)
class MaskLogits:
    """What the mask decoder answers to n prompts.

    Attributes:
        logits: low-resolution logits over the padded square, (n, m, 4h, 4w) float; above 0 is object.
        iou: the decoder's own estimate of each mask's IoU, (n, m) float.
    """

    logits: Tensor
    iou: Tensor


@dataclass(frozen=True, eq=False)
class Frame:
    """Logits of what the padded square shows of an image, or a part of them.

    Attributes:
        pixels: logits, (..., n, m) float.
        top: first row of the part.
        left: first column of the part.
        size_hw: of the whole.
    """

    pixels: Tensor
    top: int
    left: int
    size_hw: tuple[int, int]


class Sam:
    """SAM's image encoder, prompt encoder and mask decoder as pure functions of their arguments.

    Args:
        model: of any family that ``family_of`` knows. Its prompt encoder and mask decoder are used; its image
            encoder only through *encode_pixels*.
        encode_pixels: normalised padded pixels (n, 3, input_size, input_size) float to (n, C, h, w), or to a
            sequence that begins with it; the rest is ``ImageEmbedding.fine``, each (n, C', h', w').
        input_size: side of the padded square, in pixels.
        products: what large products of the mask decoder are computed with.
        images_per_pass: how many images are to be encoded together; a CPU is faster with one after the other.
    """

    def __init__(
        self,
        model: SamNetwork,
        encode_pixels: Callable[[Tensor], Tensor | Sequence[Tensor]],
        *,
        input_size: int = 1024,
        products: torch.dtype = torch.float32,
        images_per_pass: int = 1,
    ) -> None:
        self.input_size = input_size
        self.images_per_pass = images_per_pass
        self._family = family_of(model)
        self._encode_pixels = encode_pixels
        self._encode_prompts = model.prompt_encoder
        self._decode = self._family.decoder(model, products)
        self._last: tuple[weakref.ref[ImageEmbedding], list[tuple[Tensor | None, ImageTokens]]] | None = None
        self._weight = model.mask_decoder.iou_token.weight  # where the model lives, and in which dtype

    @torch.no_grad()
    def embed(self, image: NDArray[np.uint8]) -> ImageEmbedding:
        """Run the image encoder.

        Args:
            image: RGB, (H, W, 3) uint8.

        Raises:
            ImageError: another shape or dtype.
        """
        return self.embed_together([image])[0]

    @torch.no_grad()
    def embed_together(self, images: Sequence[NDArray[np.uint8]]) -> list[ImageEmbedding]:
        """Run the image encoder once for several images of one size; they do not influence each other.

        Args:
            images: RGB, (H, W, 3) uint8 each, at least one.

        Raises:
            ImageError: another shape or dtype, or several sizes.
        """
        height, width = _size_of_all(images)
        stretched = (self.input_size, self.input_size)
        resized_hw = stretched if self._family.stretches else resized_size(height, width, self.input_size)
        pixels = torch.cat([preprocess(image, resized_hw, self.input_size) for image in images])
        encoded = self._encode_pixels(pixels.to(self._weight.device))
        features, *fine = [encoded] if isinstance(encoded, Tensor) else encoded
        return [
            ImageEmbedding(one, (height, width), resized_hw, self.input_size, tuple(finer))
            for one, *finer in zip(features, *fine, strict=True)
        ]

    @property
    def channels(self) -> int:
        """Channels of an embedding, C."""
        return int(self._encode_prompts.no_mask_embed.weight.shape[1])

    def decode(
        self,
        embedding: ImageEmbedding,
        *,
        points_xy: Numbers | None = None,
        labels: Numbers | None = None,
        boxes_xyxy: Numbers | None = None,
        mask_logits: Tensor | None = None,
        multimask: bool = True,
        guidance: Guidance | None = None,
        worth: Worth | None = None,
        shift: Tensor | None = None,
    ) -> MaskLogits:
        """Predict masks for n prompts on one image. Points, boxes and masks of one row belong to one prompt.

        Args:
            embedding: the image.
            points_xy: in pixels of the original image, (n, p, 2).
            labels: 1 on the object, 0 beside it, (n, p); needed with points.
            boxes_xyxy: in pixels of the original image, (n, 4).
            mask_logits: low-resolution logits of an earlier decode, (n, 4h, 4w) float.
            multimask: three masks a prompt (part, whole, more) instead of one.
            guidance: the target, for target-guided attention and target-semantic prompting.
            worth: says which masks are drawn; the others come back empty, and far from those that are drawn
                logits may be coarse. None: all are drawn everywhere.
            shift: a tuned prompt, added to every cell of the embedding, (C,) float. If it requires a
                gradient, masks and IoU have one.

        Raises:
            PromptError: no prompt, or prompts that do not fit together.
        """
        prompts = Prompts.of(points_xy, labels, boxes_xyxy, mask_logits, 4 * embedding.grid_hw[0])
        prompts = prompts.scaled(_scale_xy(embedding)).to(self._weight.device)
        size = PROMPTS_PER_PASS.get(self._weight.device.type, 1)
        with torch.set_grad_enabled(shift is not None and shift.requires_grad):
            parts = [
                self._decode_part(
                    embedding, part, multimask=multimask, guidance=guidance, worth=worth, shift=shift
                )
                for part in prompts.split(size)
            ]
        return MaskLogits(torch.cat([part.logits for part in parts]), torch.cat([part.iou for part in parts]))

    def _decode_part(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        *,
        multimask: bool,
        guidance: Guidance | None,
        worth: Worth | None,
        shift: Tensor | None,
    ) -> MaskLogits:
        sparse = prompts.tokens(self._encode_prompts)
        if prompts.mask_logits is None:
            image: Tensor | ImageTokens = self._shared(embedding, shift)
        else:
            masks = prompts.mask_logits[:, None].to(self._weight.dtype)
            dense = self._encode_prompts.mask_embed(masks).flatten(2).transpose(1, 2)  # (n, h * w, C)
            image = embedding.cells.to(self._weight)[None] + (
                dense if shift is None else dense + shift.to(dense)
            )
        logits, iou = self._decode(
            image, sparse, fine=embedding.fine, multimask=multimask, guidance=guidance, worth=worth
        )
        return MaskLogits(logits.float(), iou.float())

    def _shared(self, embedding: ImageEmbedding, shift: Tensor | None) -> ImageTokens:
        """What all prompts without a mask share of an image; kept for the last one, by the last shifts."""
        last = self._last
        if last is None or last[0]() is not embedding:
            last = weakref.ref(embedding), []
        for known, shared in last[1]:
            if known is shift:
                return shared
        empty = self._encode_prompts.no_mask_embed.weight
        moved = empty if shift is None else empty + shift.to(empty)
        shared = self._decode.shared(embedding.cells.to(self._weight)[None] + moved)
        if not moved.requires_grad:
            self._last = last[0], [*last[1][1 - SHIFTS_KEPT :], (shift, shared)]
        return shared

    @torch.no_grad()
    def upscale(self, logits: Tensor, embedding: ImageEmbedding) -> Tensor:
        """Logits at the size of the original image: SAM's postprocess_masks, or SAM 2's, in one step.

        Args:
            logits: low-resolution logits, (..., 4h, 4w) float.
            embedding: the image they belong to.

        Returns:
            Logits without the padding, (..., H, W) float.
        """
        frame = self.framed(logits, embedding).pixels
        shown = frame.reshape(-1, 1, *frame.shape[-2:])
        image = F.interpolate(shown, embedding.size_hw, mode="bilinear")
        return image.reshape(*logits.shape[:-2], *embedding.size_hw)

    @torch.no_grad()
    def framed(self, logits: Tensor, embedding: ImageEmbedding, *, top: int = 0, left: int = 0) -> Frame:
        """Logits of what the square shows of the image: one linear step short of the image's own size.

        Args:
            logits: low-resolution logits or a part of them, (..., n, m) float; where a part ends inside the
                image, the frame is right up to a pixel of the logits from there.
            embedding: the image they belong to.
            top: first row of the part.
            left: first column of the part.
        """
        if self._family.stretches:
            side = 4 * embedding.grid_hw[0]
            return Frame(logits, top, left, (side, side))
        times = self.input_size // (4 * embedding.grid_hw[0])
        part = logits.reshape(-1, 1, *logits.shape[-2:])
        part = F.interpolate(part, scale_factor=times, mode="bilinear")
        height, width = embedding.resized_hw
        part = part[..., : max(height - top * times, 0), : max(width - left * times, 0)]
        pixels = part.reshape(*logits.shape[:-2], *part.shape[-2:])
        return Frame(pixels, top * times, left * times, (height, width))


def _size_of_all(images: Sequence[NDArray[np.uint8]]) -> tuple[int, int]:
    """(H, W) of RGB images."""
    for image in images:
        if image.ndim != 3 or image.shape[2] != 3 or min(image.shape) < 1 or image.dtype != np.uint8:
            raise ImageError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
    sizes = {image.shape[:2] for image in images}
    if len(sizes) != 1:
        raise ImageError(f"expected images of one size, got {sorted(sizes)}")
    height, width = sizes.pop()
    return height, width


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
    pixels = torch.from_numpy(np.require(image, requirements=("C", "W"))).permute(2, 0, 1)[None]
    pixels = F.interpolate(pixels, resized_hw, mode="bilinear", antialias=True).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (PIXEL_MEAN, PIXEL_STD))
    height, width = resized_hw
    return F.pad((pixels - mean) / std, (0, input_size - width, 0, input_size - height))


def without_padding(grid: Tensor, embedding: ImageEmbedding) -> Tensor:
    """The part of the padded square that shows the image: a view.

    Args:
        grid: features, similarity or low-resolution logits over the padded square, (..., side, side).
        embedding: the image it belongs to.
    """
    height, width = embedding.shown_hw(grid.shape[-1])
    return grid[..., :height, :width]


@torch.no_grad()
def to_grid(mask: NDArray[np.bool_], embedding: ImageEmbedding, *, side: int | None = None) -> Tensor:
    """Share of each cell that the mask covers.

    Args:
        mask: at the size of the original image, (H, W) bool.
        embedding: the image it belongs to.
        side: cells along a side of the padded square, h unless told; 4h fits low-resolution logits.

    Returns:
        Coverage, (side, side) float in [0, 1]; padding is not covered.

    Raises:
        MaskSizeError: the mask has another size than the image.
    """
    if mask.shape != embedding.size_hw or mask.dtype != np.bool_:
        raise MaskSizeError(f"expected a bool mask of {embedding.size_hw}, got {mask.shape} of {mask.dtype}")
    side = side or embedding.grid_hw[0]
    rows, columns = (
        _overlap(size, resized * side / embedding.input_size, side)
        for size, resized in zip(embedding.size_hw, embedding.resized_hw, strict=True)
    )
    pixels = torch.from_numpy(np.require(mask, requirements=("C", "W")))
    starts = range(0, len(mask), MASK_ROWS_PER_PASS)
    strips = [pixels[start : start + MASK_ROWS_PER_PASS].float() @ columns.T for start in starts]
    return (rows @ torch.cat(strips)).clamp(0, 1).to(embedding.features.device)


def _overlap(pixels: int, cells: float, side: int) -> Tensor:
    """Share of each of *side* cells that a pixel fills, *pixels* stretched over *cells*, (side, pixels)."""
    edges = torch.arange(pixels + 1, dtype=torch.float64) * (cells / pixels)
    cell = torch.arange(side, dtype=torch.float64)[:, None]
    return (edges[1:].minimum(cell + 1) - edges[:-1].maximum(cell)).clamp(min=0).float()


def _scale_xy(embedding: ImageEmbedding) -> tuple[float, float]:
    """From pixels of the original image to pixels of the padded square, (x, y)."""
    (height, width), (resized_height, resized_width) = embedding.size_hw, embedding.resized_hw
    return resized_width / width, resized_height / height
