"""SAM, open and ready: MobileSAM as the embedded default, or any checkpoint of SAM and its kin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.checkpoints.device import Compiling, compiles, usable_device
from backend.checkpoints.mobilesam import DECODER, DECODER_WEIGHTS, ENCODER, fetch_mobilesam
from backend.checkpoints.mobilesam_encoder import INPUT_SIZE, MobileSamEncoder
from backend.checkpoints.sam_modules import SamModules, open_sam_modules

if TYPE_CHECKING:
    from transformers import PreTrainedModel  # its import takes seconds, and MobileSAM needs none of it

MOBILESAM = "mobilesam"


@dataclass(frozen=True, eq=False)
class SamCheckpoint:
    """An open SAM.

    Attributes:
        name: as it was asked for.
        model: prompt encoder and mask decoder: transformers' own, or those of MobileSAM under the same names.
        encode_pixels: normalised pixels (1, 3, input_size, input_size) float to features (1, C, h, w); where
            the family's mask decoder needs finer ones, to a sequence of both.
        input_size: side of the square, in pixels.
        numerics: names what *encode_pixels* computes with, where that is not float32 all through.
        products: what large products of the mask decoder are computed with.
    """

    name: str
    model: "SamModules | PreTrainedModel"
    encode_pixels: Callable[[Tensor], Tensor | Sequence[Tensor]]
    input_size: int
    numerics: str = ""
    products: torch.dtype = torch.float32


def open_sam(
    name: str,
    *,
    cache_dir: Path,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    int8: bool = False,
    compiling: Compiling = "off",
) -> SamCheckpoint:
    """Open a SAM checkpoint; what is not on the disk yet is fetched once.

    Args:
        name: ``mobilesam``, the id of a transformers checkpoint of SAM, SAM-HQ, SAM 2, SAM 2.1 or EdgeTAM
            on the hub, or a folder with one.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: what it computes with; a transformers checkpoint on a GPU only, it stays float32 on a CPU.
        int8: whether linear layers of MobileSAM's image encoder are computed with that, on a CPU.
        compiling: whether to compile a transformers checkpoint's image encoder, which takes a minute; on a
            GPU only. ``auto``: try, and keep it if it is faster.

    Raises:
        CheckpointFetchError: MobileSAM cannot be fetched.
        UnusableCheckpointError: no such checkpoint, a broken one, or one of another architecture.
        UnusableDeviceError: the device is not there, or lacks what compiling needs.
    """
    where = usable_device(device)
    if name == MOBILESAM:
        folder = fetch_mobilesam(cache_dir)
        modules = open_sam_modules(folder / DECODER / DECODER_WEIGHTS, where)
        encoder = MobileSamEncoder(folder / ENCODER, where, dtype, int8=int8)
        products = dtype if where.type == "cpu" else torch.float32  # not measured on a GPU
        return SamCheckpoint(name, modules, encoder, INPUT_SIZE, encoder.numerics, products)
    from backend.checkpoints.sam_encoder import SamEncoder, large_dtype
    from backend.checkpoints.sam_transformers import open_transformers_sam

    model, family = open_transformers_sam(name, cache_dir=cache_dir, device=where)
    side = int(model.prompt_encoder.input_image_size)
    transformers_encoder = SamEncoder(model, family, where, large_dtype(where, dtype))
    if compiles(where, wanted=compiling):
        transformers_encoder.compile(only_if_faster=compiling == "auto")
    return SamCheckpoint(name, model, transformers_encoder, side, transformers_encoder.numerics)
