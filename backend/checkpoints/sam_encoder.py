"""The image encoder of a transformers SAM, with numbers that its device is fast with."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.checkpoints.sam_families import Family


class SamEncoder:
    """A SAM's own image encoder, with the numbers that it is given.

    Args:
        model: on its device; its image encoder's weights become of the numbers that it computes with.
        family: how the model sees an image.
        device: where it is.
        dtype: what it computes with.
        compiled: by torch's compiler, when it is first asked; that takes minutes.
        compiler: torch's name for the compiler.

    Attributes:
        numerics: names what it computes with, where that is not float32 as torch has it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        family: Family,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        compiled: bool = False,
        compiler: str = "inductor",
    ) -> None:
        self._dtype = dtype
        plain = self._dtype is torch.float32 and not compiled
        self.numerics = "" if plain else f"torch {self._dtype}{' compiled' * compiled}"
        self._model, self._family, self._device = model, family, device
        model.vision_encoder.to(self._dtype)
        if compiled:
            model.vision_encoder.compile(backend=compiler)

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
