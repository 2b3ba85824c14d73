"""The device that models run on, and what it has."""

import importlib.util
import logging
import os
import shutil
from collections.abc import Sequence
from typing import Literal

import torch

from backend.checkpoints.errors import UnusableDeviceError

Compiling = Literal["auto", "on", "off"]

MOST_TOGETHER = 8  # images that a GPU encodes at once
BYTES_OF_IMAGE = 4 * 2**30  # of its memory for each: scores of one layer of ViT-H are 1 GiB in float32

logger = logging.getLogger(__name__)


def usable_device(name: str) -> torch.device:
    """Device of that name; ``auto`` is the first GPU, or the CPU where there is none.

    Args:
        name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UnusableDeviceError: no device of that name, or none of its kind here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as exc:
        raise UnusableDeviceError(f"expected auto, cpu, cuda or cuda:N as the device, got {name!r}") from exc
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UnusableDeviceError(
            f"{name} is not usable here: torch sees {torch.cuda.device_count()} GPUs; set ONESHOT_DEVICE=auto"
        )
    return device


def images_together(device: torch.device, *, free_bytes: int | None = None) -> int:
    """How many images the device is to encode at once; a CPU is faster with one after the other.

    Args:
        device: a CPU or a GPU, with the models on it.
        free_bytes: of the GPU's memory; None: see.
    """
    if device.type != "cuda":
        return 1
    free_bytes = torch.cuda.mem_get_info(device)[0] if free_bytes is None else free_bytes
    return min(max(free_bytes // BYTES_OF_IMAGE, 1), MOST_TOGETHER)


def gpu_name(name: str) -> str | None:
    """What the GPU ``cuda`` or ``cuda:N`` is called; None if it is not there, or no GPU is meant."""
    device = torch.device(name)
    if device.type != "cuda" or (device.index or 0) >= torch.cuda.device_count():
        return None
    return torch.cuda.get_device_name(device)


def compiles(device: torch.device, *, wanted: Compiling, missing: Sequence[str] | None = None) -> bool:
    """Whether torch's compiler is to be used, or tried: on a GPU, unless it is off. CPUs gain nothing by it.

    Args:
        device: a CPU or a GPU.
        wanted: whether it was asked for; ``auto``: where all is there that it needs.
        missing: what it needs and is not there; None: see.

    Raises:
        UnusableDeviceError: it was asked for on a GPU, and something that it needs is missing.
    """
    if wanted == "off" or device.type != "cuda":
        return False
    missing = missing_tools() if missing is None else missing
    if missing and wanted == "on":
        raise UnusableDeviceError(
            f"ONESHOT_COMPILE=on needs {' and '.join(missing)}, not found here; install, or set it to auto"
        )
    if missing:
        logger.info("the image encoder is not compiled: %s not found here", " and ".join(missing))
    return not missing


def missing_tools() -> list[str]:
    """What torch's compiler needs for a GPU and is not there."""
    compilers = (os.environ.get("CC", ""), "gcc", "clang")
    missing = [] if any(shutil.which(name) for name in compilers if name) else ["a C compiler"]
    return missing if importlib.util.find_spec("triton") else [*missing, "triton"]
