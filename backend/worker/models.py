"""The composition of checkpoints and vision: weights from the disk into the core."""

from pathlib import Path

import torch

from backend.checkpoints.device import usable_device
from backend.checkpoints.efficientnet import open_efficientnet_lite0
from backend.checkpoints.sam import open_sam
from backend.vision.pipeline import Models
from backend.vision.sam import Sam
from backend.vision.semantics import CropEncoder


def load_models(*, sam: str, cache_dir: Path, device: str, threads: int) -> Models:
    """Open both networks, once per process.

    Args:
        sam: ``mobilesam``, or a transformers SAM checkpoint: hub id or folder.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of this process; 0: all cores.

    Raises:
        CheckpointError: weights that cannot be had or used, or a device that is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    checkpoint = open_sam(sam, cache_dir=cache_dir, device=device, threads=threads)
    network = open_efficientnet_lite0(device)
    return Models(
        sam=Sam(checkpoint.model, checkpoint.encode_pixels, input_size=checkpoint.input_size),
        semantic=CropEncoder(network, device=str(usable_device(device))),
    )
