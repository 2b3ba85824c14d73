"""The families of SAM, and what differs between them: the image in its square, and the mask decoder."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from backend.vision.guidance import Guidance
from backend.vision.mask_decoder import MaskDecoder
from backend.vision.mask_decoder_hq import SamHqDecoder
from backend.vision.mask_decoder_sam2 import Sam2Decoder
from backend.vision.network import SamNetwork
from backend.vision.sketch import Worth
from backend.vision.two_way import ImageTokens


class Decoder(Protocol):
    """A mask decoder; see ``MaskDecoder``."""

    def shared(self, content: Tensor) -> ImageTokens:
        """What prompts without a mask share of an image (1, h * w, C)."""
        ...

    def __call__(
        self,
        content: Tensor | ImageTokens,
        prompts: Tensor,
        *,
        fine: tuple[Tensor, ...],
        multimask: bool,
        guidance: Guidance | None = None,
        worth: Worth | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (n, m, 4h, 4w) and estimated IoU (n, m) for n prompts on one image."""
        ...


@dataclass(frozen=True)
class Family:
    """One family of SAM.

    Attributes:
        decoder: makes the mask decoder of a model, with what large products are computed with.
        stretches: whether an image is stretched over the square; otherwise it keeps its shape and is padded.
    """

    decoder: Callable[[SamNetwork, torch.dtype], Decoder]
    stretches: bool


FAMILIES = {
    "sam": Family(MaskDecoder, stretches=False),
    "sam_hq": Family(SamHqDecoder, stretches=False),
    "sam2": Family(Sam2Decoder, stretches=True),
    "edgetam": Family(Sam2Decoder, stretches=True),
}


def family_of(model: SamNetwork) -> Family:
    """The family that a network belongs to."""
    return FAMILIES[model.config_class.model_type]
