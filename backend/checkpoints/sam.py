"""SAM, open and ready: MobileSAM as the embedded default, or any checkpoint of SAM and its kin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnxruntime
import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from backend.checkpoints.device import usable_device
from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.mobilesam import DECODER, ENCODER, fetch_mobilesam
from backend.checkpoints.progress import without_disk_progress
from backend.checkpoints.sam_families import USABLE, Family, family_of

MOBILESAM = "mobilesam"
ONNXRUNTIME_ERRORS_ONLY = 3


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
    """

    name: str
    model: PreTrainedModel
    encode_pixels: Callable[[Tensor], Tensor | Sequence[Tensor]]
    input_size: int


def open_sam(name: str, *, cache_dir: Path, device: str = "cpu", threads: int = 0) -> SamCheckpoint:
    """Open a SAM checkpoint; what is not on the disk yet is fetched once.

    Args:
        name: ``mobilesam``, the id of a transformers checkpoint of SAM, SAM-HQ, SAM 2, SAM 2.1 or EdgeTAM
            on the hub, or a folder with one.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. MobileSAM's image encoder stays on the CPU.
        threads: CPU threads of MobileSAM's image encoder; 0: all cores. Torch's are the process's own affair.

    Raises:
        CheckpointFetchError: MobileSAM cannot be fetched.
        UnusableCheckpointError: no such checkpoint, a broken one, or one of another architecture.
        UnusableDeviceError: the device is not there.
    """
    where = usable_device(device)
    if name == MOBILESAM:
        folder = fetch_mobilesam(cache_dir)
        model, _ = _load(str(folder / DECODER), cache_dir, where)
        return SamCheckpoint(name, model, OnnxEncoder(folder / ENCODER, threads, where), 1024)
    model, family = _load(name, cache_dir, where)
    return SamCheckpoint(
        name, model, partial(family.encode, model), int(model.prompt_encoder.input_image_size)
    )


class OnnxEncoder:
    """An image encoder in onnxruntime, on the CPU.

    Args:
        path: the ONNX file.
        threads: CPU threads; 0: all cores.
        device: where its features go.
    """

    def __init__(self, path: Path, threads: int, device: torch.device) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ONNXRUNTIME_ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # the arena keeps hundreds of megabytes between images
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others need the cores, too
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._device = device

    def __call__(self, pixels: Tensor) -> Tensor:
        """Features of one image, (1, C, h, w) float."""
        features = self._session.run(None, {self._input: pixels.cpu().numpy()})[0]
        return torch.from_numpy(features).to(self._device)


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
