"""SAM and its kin as transformers opens them."""

from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedModel

from backend.checkpoints.errors import UnusableCheckpointError
from backend.checkpoints.progress import without_disk_progress
from backend.checkpoints.sam_families import USABLE, Family, family_of


def open_transformers_sam(
    name: str, *, cache_dir: Path, device: torch.device
) -> tuple[PreTrainedModel, Family]:
    """A transformers checkpoint with every weight of its own, in float32, and the family it belongs to.

    Args:
        name: the id of a checkpoint on the hub, or a folder with one.
        cache_dir: folder for model weights.
        device: where the model goes.

    Raises:
        UnusableCheckpointError: no such checkpoint, a broken one, or one of another architecture.
    """
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
