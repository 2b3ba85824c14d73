"""SAM, open and ready: MobileSAM as the embedded default, or any transformers SAM checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, SamModel

from backend.checkpoints.device import usable_device
from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.mobilesam import DECODER, ENCODER, fetch_mobilesam
from backend.checkpoints.progress import without_disk_progress

MOBILESAM = "mobilesam"
ONNXRUNTIME_ERRORS_ONLY = 3


@dataclass(frozen=True, eq=False)
class SamCheckpoint:
    """An open SAM.

    Attributes:
        name: as it was asked for.
        model: prompt encoder and mask decoder; its vision encoder is empty where *encode_pixels* stands for
            it.
        encode_pixels: normalised, zero-padded pixels (1, 3, input_size, input_size) float to features
            (1, C, h, w).
        input_size: side of the padded square, in pixels.
    """

    name: str
    model: SamModel
    encode_pixels: Callable[[Tensor], Tensor]
    input_size: int


def open_sam(name: str, *, cache_dir: Path, device: str = "cpu", threads: int = 0) -> SamCheckpoint:
    """Open a SAM checkpoint; what is not on the disk yet is fetched once.

    Args:
        name: ``mobilesam``, the id of a transformers SAM checkpoint on the hub, or a folder with one.
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
        model = _load(str(folder / DECODER), cache_dir, where)
        return SamCheckpoint(name, model, OnnxEncoder(folder / ENCODER, threads, where), 1024)
    model = _load(name, cache_dir, where)
    return SamCheckpoint(name, model, model.get_image_embeddings, model.config.vision_config.image_size)


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


def _load(name: str, cache_dir: Path, device: torch.device) -> SamModel:
    """A transformers SAM checkpoint with every weight of its own."""
    hub = cache_dir / "hub"
    try:
        architecture = AutoConfig.from_pretrained(name, cache_dir=hub).model_type
        if architecture != "sam":
            raise UnusableCheckpointError(
                f"expected a SAM checkpoint in {name}, got architecture {architecture!r}"
            )
        without_disk_progress()
        model, report = SamModel.from_pretrained(name, cache_dir=hub, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise UnusableCheckpointError(
            f"cannot open {name!r} as a SAM checkpoint: {exc}. ONESHOT_SAM takes `mobilesam`, a hub id "
            "such as facebook/sam-vit-base, or a folder written by save_pretrained"
        ) from exc
    if report["missing_keys"]:
        raise UnusableCheckpointError(f"{name} lacks the weights {sorted(report['missing_keys'])[:5]}")
    return model.to(device).eval().requires_grad_(requires_grad=False)
