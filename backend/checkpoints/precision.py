"""The numbers that networks compute with: what the device at hand multiplies matrices of them fastest.

A machine must give the same answers however busy it is when a process starts. So each kind is timed in turn,
round after round, and the least counts; on a CPU by the time of one thread, which others cannot prolong by
much; and float32 stays unless another is faster by far more than a clock is wrong.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from backend.checkpoints.errors import UnusableDeviceError
from backend.checkpoints.int8 import Int8Linear, usable_levels
from backend.checkpoints.timing import wall_seconds

Wanted = Literal["auto", "float32", "bfloat16", "float16", "int8"]
Seconds = Callable[[torch.dtype], float]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "int8": torch.int8}
BF16_FLAGS = {"amx_bf16", "avx512_bf16"}  # a CPU without them computes bf16 by way of float32, and slower
INT8_FLAG = "avx2"  # a CPU without it hardly multiplies int8 faster than float32
CPUINFO = Path("/proc/cpuinfo")
AMPERE = 8  # the first GPUs with bf16 of their own
CLEARLY = 1.2  # times as fast as what would be chosen without it
ROUNDS = 8
PERCEPTRONS = {"cpu": (1024, 160, 640), "cuda": (4096, 1280, 5120)}  # of MobileSAM: a quarter; of SAM ViT-H


@dataclass(frozen=True)
class Precision:
    """What networks compute with.

    Attributes:
        dtype: the numbers; int8: of linear layers of MobileSAM's image encoder, float32 is the rest.
        times_as_fast: how many times as fast as float32 the others are that were measured.
    """

    dtype: torch.dtype
    times_as_fast: Mapping[torch.dtype, float] = field(default_factory=dict)

    @property
    def floats(self) -> torch.dtype:
        """The numbers of all that is never int8."""
        return self.dtype if self.dtype.is_floating_point else torch.float32

    def __str__(self) -> str:
        if not self.times_as_fast:
            return _name(self.dtype)
        others = ", ".join(f"{_name(dtype)} {times:.1f}" for dtype, times in self.times_as_fast.items())
        return f"{_name(self.dtype)} (times as fast as float32: {others})"


def choose_precision(
    device: torch.device,
    wanted: Wanted = "auto",
    *,
    dtypes: Sequence[torch.dtype] | None = None,
    seconds: Seconds | None = None,
) -> Precision:
    """The numbers that were asked for, or those that the device is fast with.

    Args:
        device: a CPU or a GPU.
        wanted: the name of the numbers; ``auto``: measure.
        dtypes: what the device has, float32 first, then in the order of preference; None: see.
        seconds: times one product of matrices of such numbers, infinite where it cannot be computed; None: by
            the clock.

    Raises:
        UnusableDeviceError: the device cannot compute with what was asked for.
    """
    if wanted != "auto":
        return Precision(asked_for(device, wanted))
    dtypes = native_dtypes(device) if dtypes is None else dtypes
    if len(dtypes) == 1:
        return Precision(dtypes[0])
    with one_thread():
        took = least_of_rounds(dtypes, seconds or product_seconds(device))
    chosen = dtypes[0]
    for dtype in dtypes[1:]:
        if took[chosen] >= CLEARLY * took[dtype]:
            chosen = dtype
    return Precision(chosen, {dtype: took[dtypes[0]] / took[dtype] for dtype in dtypes[1:]})


def asked_for(device: torch.device, name: str) -> torch.dtype:
    """The numbers of that name.

    Raises:
        UnusableDeviceError: the device cannot compute with them.
    """
    dtype = DTYPES[name]
    usable = _usable_dtypes(device)
    if dtype not in usable:
        raise UnusableDeviceError(
            f"ONESHOT_PRECISION={name} is not usable on this {'CPU' if device.type == 'cpu' else 'GPU'}; "
            f"expected auto or one of {', '.join(_name(one) for one in usable)}"
        )
    return dtype


def _usable_dtypes(device: torch.device) -> list[torch.dtype]:
    """What the device computes with at all, fast or not."""
    if device.type != "cpu":
        return [torch.float32, torch.bfloat16, torch.float16]
    short = [torch.bfloat16] if _library_takes_bf16() else []
    return [torch.float32, *short, *([torch.int8] if usable_levels() else [])]


def native_dtypes(device: torch.device, *, cpuinfo: Path = CPUINFO) -> list[torch.dtype]:
    """What the device computes with by itself: float32, and what may be faster, the wider range first.

    int8 on CPUs without bfloat16 only, which hastens more than linear layers.

    Args:
        device: a CPU or a GPU.
        cpuinfo: where the system lists what the CPU can; a system without it is taken to know float32 alone.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return gpu_dtypes(major)
    flags = _cpu_flags(cpuinfo)
    if not BF16_FLAGS.isdisjoint(flags) and _library_takes_bf16():
        return [torch.float32, torch.bfloat16]
    return [torch.float32, torch.int8] if INT8_FLAG in flags and usable_levels() else [torch.float32]


def gpu_dtypes(capability: int) -> list[torch.dtype]:
    """What GPUs of that compute capability, of which the first number counts, compute with by themselves."""
    short = [torch.bfloat16, torch.float16] if capability >= AMPERE else [torch.float16]
    return [torch.float32, *short]


def least_of_rounds(dtypes: Sequence[torch.dtype], seconds: Seconds) -> dict[torch.dtype, float]:
    """The least that each kind took, in turn with the others; the first round is not counted."""
    rounds = [{dtype: seconds(dtype) for dtype in dtypes} for _ in range(ROUNDS + 1)][1:]
    return {dtype: min(took[dtype] for took in rounds) for dtype in dtypes}


def product_seconds(device: torch.device) -> Seconds:
    """Times the first half of a perceptron of the image encoder, where most multiplications are.

    On a CPU by the clock of this thread, which has to be the only one that computes.
    """

    def seconds(dtype: torch.dtype) -> float:
        try:
            product = _product(device, dtype)
            return _on_cpu(product) if device.type == "cpu" else wall_seconds(product, device)
        except RuntimeError:  # what torch's libraries raise where they lack it
            return math.inf

    return seconds


def _product(device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    """What is timed, ready to be computed."""
    tokens, inputs, outputs = PERCEPTRONS[device.type]
    if dtype is torch.int8:
        layer, floats = Int8Linear(nn.Linear(inputs, outputs)), torch.ones(tokens, inputs)
        return lambda: layer.forward(floats)
    left, right = (torch.ones(rows, inputs, dtype=dtype, device=device) for rows in (tokens, outputs))
    return lambda: F.linear(left, right)


@contextmanager
def one_thread() -> Iterator[None]:
    """Have a CPU compute with one thread: what is chosen must not depend on how many there are later."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
def _on_cpu(product: Callable[[], Tensor]) -> float:
    started = time.thread_time()
    product()
    return time.thread_time() - started


def _library_takes_bf16() -> bool:
    """Whether torch's library for CPUs takes bf16; ONEDNN_MAX_CPU_ISA can forbid what the CPU can."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def _cpu_flags(cpuinfo: Path) -> list[str]:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return []
    return next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
