"""SAM, open and ready: MobileSAM as the embedded default, or any checkpoint of SAM and its kin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from backend.checkpoints.device import usable_device
from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.mobilesam import DECODER, ENCODER, fetch_mobilesam
from backend.checkpoints.mobilesam_encoder import INPUT_SIZE, MobileSamEncoder
from backend.checkpoints.progress import without_disk_progress
from backend.checkpoints.sam_families import USABLE, Family, family_of

MOBILESAM = "mobilesam"


@dataclass(frozen=True, eq=False)
class SamCheckpoint:
    """An open SAM.

    Attributes:
        name: as it was asked for.
        model: prompt encoder and mask decoder; its vision encoder is empty where *encode_pixels* stands for
            it.
        encode_pixels: normalised pixels (1, 3, input_size, input_size) float to features (1, C, h, w); where
            the family's mask decoder needs finer ones, to a sequence of both.
        input_size: side of the square, in pixels.
        numerics: names what *encode_pixels* computes with, where that is not float32 all through.
    """

    name: str
    model: PreTrainedModel
    encode_pixels: Callable[[Tensor], Tensor | Sequence[Tensor]]
    input_size: int
    numerics: str = ""


def open_sam(name: str, *, cache_dir: Path, device: str = "cpu") -> SamCheckpoint:
    """Open a SAM checkpoint; what is not on the disk yet is fetched once.

    Args:
        name: ``mobilesam``, the id of a transformers checkpoint of SAM, SAM-HQ, SAM 2, SAM 2.1 or EdgeTAM
            on the hub, or a folder with one.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        CheckpointFetchError: MobileSAM cannot be fetched.
        UnusableCheckpointError: no such checkpoint, a broken one, or one of another architecture.
        UnusableDeviceError: the device is not there.
    """
    where = usable_device(device)
    if name == MOBILESAM:
        folder = fetch_mobilesam(cache_dir)
        model, _ = _load(str(folder / DECODER), cache_dir, where)
        encoder = MobileSamEncoder(folder / ENCODER, where)
        return SamCheckpoint(name, model, encoder, INPUT_SIZE, encoder.numerics)
    model, family = _load(name, cache_dir, where)
    return SamCheckpoint(
        name, model, partial(family.encode, model), int(model.prompt_encoder.input_image_size)
    )


def _load(name: str, cache_dir: Path, device: torch.device) -> tuple[PreTrainedModel, Family]:
    """A transformers checkpoint with every weight of its own, in float32."""
    hub = cache_dir / "hub"
    try:
        family = family_of(name, AutoConfig.from_pretrained(name, cache_dir=hub))
        without_disk_progress()
        model, report = getattr(transformers, family.class_name).from_pretrained(
            name, cache_dir=hub, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as exc:
        raise UnusableCheckpointError(f"cannot open {name!r} as a SAM checkpoint: {exc}. {USABLE}") from exc
    if report["missing_keys"]:
        raise UnusableCheckpointError(f"{name} lacks the weights {sorted(report['missing_keys'])[:5]}")
    return model.to(device).eval().requires_grad_(requires_grad=False), family
