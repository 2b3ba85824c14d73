"""The composition of checkpoints and vision: weights from the disk into the core."""

from functools import cache
from pathlib import Path

import torch

from backend.checkpoints.device import usable_device
from backend.checkpoints.sam import open_sam
from backend.checkpoints.semantic import EFFICIENTNET_LITE0, open_semantic
from backend.vision.pipeline import Models
from backend.vision.sam import Sam
from backend.vision.semantics import CropEncoder, SamSemantics, SemanticEncoder, Words

SAM_SEMANTICS = "sam"


def load_models(
    *, sam: str, cache_dir: Path, device: str, threads: int, semantics: str = EFFICIENTNET_LITE0
) -> Models:
    """Open both networks, once per process.

    Args:
        sam: ``mobilesam``, or a transformers SAM checkpoint: hub id or folder.
        cache_dir: folder for model weights.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: CPU threads of this process; 0: all cores.
        semantics: the semantic encoder: ``efficientnet-lite0``, ``sam`` for SAM's own features, or a
            transformers checkpoint: hub id or folder.

    Raises:
        CheckpointError: weights that cannot be had or used, or a device that is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    checkpoint = open_sam(sam, cache_dir=cache_dir, device=device, threads=threads)
    return Models(
        sam=Sam(checkpoint.model, checkpoint.encode_pixels, input_size=checkpoint.input_size),
        semantic=semantic_encoder(semantics, cache_dir=cache_dir, device=device),
    )


def semantic_encoder(name: str, *, cache_dir: Path, device: str) -> SemanticEncoder:
    """Open a semantic encoder; arguments and errors as in ``load_models``."""
    if name == SAM_SEMANTICS:
        return SamSemantics()
    opened = open_semantic(name, cache_dir=cache_dir, device=device)
    return CropEncoder(
        opened.features,
        input_size=opened.input_size,
        stride=opened.stride,
        mean=opened.mean,
        std=opened.std,
        device=str(usable_device(device)),
        pooled=opened.pooled,
        words=Words(cache(opened.read), opened.text_scale) if opened.read else None,  # labels come again
    )
