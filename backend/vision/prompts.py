"""Prompts: points, boxes and masks that say which object is meant, checked once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.vision.errors import PromptError

if TYPE_CHECKING:
    from transformers.models.sam.modeling_sam import SamPromptEncoder

Numbers = NDArray[np.floating] | NDArray[np.integer] | Tensor


@dataclass(frozen=True, eq=False)
class Prompts:
    """n prompts for one image. Row i of everything given belongs to prompt i.

    Attributes:
        points_xy: (n, p, 2) float.
        labels: 1 on the object, 0 beside it, (n, p).
        boxes_xyxy: (n, 4) float.
        mask_logits: low-resolution logits, (n, 4h, 4w) float.
    """

    points_xy: Tensor | None
    labels: Tensor | None
    boxes_xyxy: Tensor | None
    mask_logits: Tensor | None

    @classmethod
    def of(
        cls,
        points_xy: Numbers | None,
        labels: Numbers | None,
        boxes_xyxy: Numbers | None,
        mask_logits: Tensor | None,
        mask_side: int,
    ) -> "Prompts":
        """Check prompts.

        Args:
            points_xy: (n, p, 2).
            labels: (n, p).
            boxes_xyxy: (n, 4).
            mask_logits: (n, mask_side, mask_side).
            mask_side: 4h.

        Raises:
            PromptError: no prompt, another shape, or a label other than 0 and 1.
        """
        if (points_xy is None) != (labels is None):
            raise PromptError("expected points and labels together, got only one of them")
        given = (points_xy, labels, boxes_xyxy, mask_logits)
        counts = {len(prompt) for prompt in given if prompt is not None}
        if len(counts) != 1 or counts == {0}:
            raise PromptError(
                f"expected points, boxes or masks for as many prompts each, got {counts or 'none'}"
            )
        (n,) = counts
        length = 0 if labels is None else labels.shape[-1]
        prompts = cls(
            _checked("points_xy", points_xy, (n, length, 2)),
            _checked("labels", labels, (n, length)),
            _checked("boxes_xyxy", boxes_xyxy, (n, 4)),
            _checked("mask_logits", mask_logits, (n, mask_side, mask_side)),
        )
        unknown = set() if prompts.labels is None else set(prompts.labels.flatten().tolist()) - {0, 1}
        if unknown:
            raise PromptError(f"expected labels 1 (object) and 0 (background), got {sorted(unknown)}")
        return prompts

    def scaled(self, scale_xy: tuple[float, float]) -> "Prompts":
        """Points and boxes in another frame."""
        scale = torch.tensor(scale_xy)
        points_xy = None if self.points_xy is None else self.points_xy * scale.to(self.points_xy)
        boxes_xyxy = (
            None if self.boxes_xyxy is None else self.boxes_xyxy * scale.repeat(2).to(self.boxes_xyxy)
        )
        return Prompts(points_xy, self.labels, boxes_xyxy, self.mask_logits)

    def to(self, device: torch.device) -> "Prompts":
        """The same on a device."""
        return Prompts(*(prompt if prompt is None else prompt.to(device) for prompt in self._all))

    def split(self, size: int) -> Iterator["Prompts"]:
        """The same in parts of at most *size* prompts."""
        count = next(len(prompt) for prompt in self._all if prompt is not None)
        for start in range(0, count, size):
            yield Prompts(
                *(prompt if prompt is None else prompt[start : start + size] for prompt in self._all)
            )

    def tokens(self, prompt_encoder: "SamPromptEncoder") -> Tensor:
        """Points and boxes embedded, (n, p', C) float; masks are not tokens.

        Args:
            prompt_encoder: transformers' ``SamPromptEncoder``, that of another family, or one that
                answers as they do.
        """
        if self.points_xy is None and self.boxes_xyxy is None and self.mask_logits is not None:
            return self.mask_logits.new_zeros(len(self.mask_logits), 0, prompt_encoder.hidden_size)
        points, labels, boxes = (
            prompt if prompt is None else prompt[None]
            for prompt in (self.points_xy, self.labels, self.boxes_xyxy)
        )
        labels = None if labels is None else labels.long()  # SAM 2 looks them up
        sparse, _ = prompt_encoder(points, labels, boxes, None)
        return sparse[0]  # type: ignore[no-any-return]

    @property
    def _all(self) -> tuple[Tensor | None, ...]:
        return self.points_xy, self.labels, self.boxes_xyxy, self.mask_logits


def _checked(name: str, prompt: Numbers | None, shape: tuple[int, ...]) -> Tensor | None:
    """The prompt as a float tensor of that shape."""
    if prompt is None:
        return None
    if tuple(prompt.shape) != shape:
        raise PromptError(f"expected {name} of shape {shape}, got {tuple(prompt.shape)}")
    numbers = torch.as_tensor(prompt, dtype=torch.float32)
    if not numbers.isfinite().all():
        raise PromptError(f"expected finite {name}, got {numbers.isfinite().logical_not().sum()} others")
    return numbers
