"""The image encoder of a transformers SAM, with numbers that its device is fast with."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.checkpoints.compilation import Seconds, compile_encoder
from backend.checkpoints.sam_families import Family


class SamEncoder:
    """A SAM's own image encoder, with the numbers that it is given.

    Args:
        model: on its device; its image encoder's weights become of the numbers that it computes with.
        family: how the model sees an image.
        device: where it is.
        dtype: what it computes with.

    Attributes:
        numerics: names what it computes with, where that is not float32 as torch has it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        family: Family,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._dtype = dtype
        self.numerics = "" if dtype is torch.float32 else f"torch {dtype}"
        self._model, self._family, self._device = model, family, device
        model.vision_encoder.to(dtype)

    def compile(
        self, *, only_if_faster: bool, seconds: Seconds | None = None, compiler: str = "inductor"
    ) -> None:
        """Have torch compile it, before it is asked; arguments and errors as in ``compile_encoder``."""
        side = int(self._model.prompt_encoder.input_image_size)
        trial = compile_encoder(
            *(self._model.vision_encoder, self, torch.zeros(2, 3, side, side, device=self._device)),
            only_if_faster=only_if_faster,
            seconds=seconds,
            compiler=compiler,
        )
        if trial is not None and trial.kept:
            self.numerics = f"torch {self._dtype} compiled"

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """As the family's ``encode``, in float32.

        Args:
            pixels: normalised pixels, (n, 3, side, side) float.
        """
        fewer_bits = self._dtype is not torch.float32
        with torch.autocast(self._device.type, self._dtype, enabled=fewer_bits):
            encoded = self._family.encode(self._model, pixels.to(self._device, self._dtype))
        return encoded.float() if isinstance(encoded, Tensor) else tuple(one.float() for one in encoded)


def large_dtype(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """What such an encoder computes with where *dtype* is fast: on CPUs float32, where MobileSAM is meant."""
    return dtype if device.type == "cuda" else torch.float32
