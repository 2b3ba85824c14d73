"""The device that models run on, and the numbers it is fast with."""

import importlib.util
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from backend.checkpoints.errors import UnusableDeviceError

BF16_FLAGS = {"amx_bf16", "avx512_bf16"}  # a CPU without them computes bf16 by way of float32, and slower
CPUINFO = Path("/proc/cpuinfo")
VOLTA, AMPERE = 7, 8  # the first GPUs with fp16 products of matrices, and with bf16 of their own


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


def gpu_name(name: str) -> str | None:
    """What the GPU ``cuda`` or ``cuda:N`` is called; None if it is not there, or no GPU is meant."""
    device = torch.device(name)
    if device.type != "cuda" or (device.index or 0) >= torch.cuda.device_count():
        return None
    return torch.cuda.get_device_name(device)


def compiles(device: torch.device, *, wanted: bool, missing: Sequence[str] | None = None) -> bool:
    """Whether torch's compiler is to be used: on a GPU, where it is wanted. A CPU gains nothing by it.

    Args:
        device: a CPU or a GPU.
        wanted: whether it was asked for.
        missing: what it needs and is not there; None: see.

    Raises:
        UnusableDeviceError: it is wanted on a GPU, and something that it needs is missing.
    """
    if not wanted or device.type != "cuda":
        return False
    missing = missing_tools() if missing is None else missing
    if missing:
        raise UnusableDeviceError(
            f"ONESHOT_COMPILE needs {' and '.join(missing)}, not found here; install, or set it to false"
        )
    return True


def missing_tools() -> list[str]:
    """What torch's compiler needs for a GPU and is not there."""
    compilers = (os.environ.get("CC", ""), "gcc", "clang")
    missing = [] if any(shutil.which(name) for name in compilers if name) else ["a C compiler"]
    return missing if importlib.util.find_spec("triton") else [*missing, "triton"]


def fast_bf16(device: torch.device, *, cpuinfo: Path = CPUINFO) -> bool:
    """Whether the device computes bf16 faster than float32: told by what it says it can, not by the clock.

    So that the same machine always gives the same answers, however busy it is when a process starts.

    Args:
        device: a CPU or a GPU.
        cpuinfo: where the system lists what the CPU can; a system without it is taken not to know bf16.
    """
    if device.type == "cuda":
        return fast_dtype(device) is torch.bfloat16
    return device.type == "cpu" and not BF16_FLAGS.isdisjoint(_cpu_flags(cpuinfo)) and _allowed()


def fast_dtype(device: torch.device) -> torch.dtype:
    """What a network computes with on the device where nothing else is asked for."""
    if device.type == "cuda":
        return gpu_dtype(torch.cuda.get_device_capability(device))
    return torch.bfloat16 if fast_bf16(device) else torch.float32


def gpu_dtype(capability: tuple[int, int]) -> torch.dtype:
    """What a GPU of that compute capability is fast with: told by what it can, as for ``fast_bf16``."""
    major, _ = capability
    if major >= AMPERE:
        return torch.bfloat16
    return torch.float16 if major >= VOLTA else torch.float32


def _allowed() -> bool:
    """Whether torch's library for CPUs takes bf16; ONEDNN_MAX_CPU_ISA can forbid what the CPU can."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def _cpu_flags(cpuinfo: Path) -> list[str]:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return []
    return next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
