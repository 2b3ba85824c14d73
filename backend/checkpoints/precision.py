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

from backend.checkpoints.errors import UnusableDeviceError
from backend.checkpoints.fused import perceptron
from backend.checkpoints.int8 import Int8Linear, usable_levels
from backend.checkpoints.timing import wall_seconds

Kind = Literal["float32", "bfloat16", "float16", "int8", "int8-bfloat16"]
"""Floats, or int8 in linear layers of MobileSAM's image encoder and float32 or bfloat16 elsewhere."""
Wanted = Literal["auto", Kind]
Seconds = Callable[[Kind], float]

FLOATS: Mapping[Kind, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
    "int8-bfloat16": torch.bfloat16,
}
BF16_FLAGS = {"amx_bf16", "avx512_bf16"}  # a CPU without them computes bf16 by way of float32, and slower
INT8_FLAG = "avx2"  # a CPU without it hardly multiplies int8 faster than float32
CPUINFO = Path("/proc/cpuinfo")
AMPERE = 8  # the first GPUs with bf16 of their own
CLEARLY = 1.2  # times as fast as what would be chosen without it
ROUNDS = 8
PERCEPTRONS = {
    "cpu": (512, 320),
    "cuda": (4096, 1280),
}  # tokens, channels: of MobileSAM's last blocks, an eighth; of SAM ViT-H's
EXPANSION = 4  # times as many channels are there within one


@dataclass(frozen=True)
class Precision:
    """What networks compute with.

    Attributes:
        kind: the numbers.
        times_as_fast: how many times as fast as float32 the others are that were measured.
    """

    kind: Kind = "float32"
    times_as_fast: Mapping[Kind, float] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """The floats, of all that is not int8."""
        return FLOATS[self.kind]

    @property
    def int8(self) -> bool:
        """Whether linear layers of MobileSAM's image encoder are int8."""
        return self.kind.startswith("int8")

    def __str__(self) -> str:
        if not self.times_as_fast:
            return self.kind
        others = ", ".join(f"{kind} {times:.1f}" for kind, times in self.times_as_fast.items())
        return f"{self.kind} (times as fast as float32: {others})"


def choose_precision(
    device: torch.device,
    wanted: Wanted = "auto",
    *,
    kinds: Sequence[Kind] | None = None,
    seconds: Seconds | None = None,
) -> Precision:
    """The numbers that were asked for, or those that the device is fast with.

    Args:
        device: a CPU or a GPU.
        wanted: the name of the numbers; ``auto``: measure.
        kinds: what the device has, float32 first, then in the order of preference; None: see.
        seconds: times a perceptron of such numbers, infinite where it cannot be computed; None: by
            the clock.

    Raises:
        UnusableDeviceError: the device cannot compute with what was asked for.
    """
    if wanted != "auto":
        return Precision(asked_for(device, wanted))
    kinds = native_kinds(device) if kinds is None else kinds
    if len(kinds) == 1:
        return Precision(kinds[0])
    with one_thread():
        took = least_of_rounds(kinds, seconds or perceptron_seconds(device))
    chosen = kinds[0]
    for kind in kinds[1:]:
        same_floats = FLOATS[kind] is FLOATS[chosen]
        if took[chosen] >= CLEARLY * took[kind] and (same_floats or not Precision(kind).int8):
            chosen = kind
    return Precision(chosen, {kind: took[kinds[0]] / took[kind] for kind in kinds[1:]})


def asked_for(device: torch.device, kind: Kind) -> Kind:
    """That kind of numbers.

    Raises:
        UnusableDeviceError: the device cannot compute with them.
    """
    usable = _usable_kinds(device)
    if kind not in usable:
        raise UnusableDeviceError(
            f"ONESHOT_PRECISION={kind} is not usable on this {'CPU' if device.type == 'cpu' else 'GPU'}; "
            f"expected auto or one of {', '.join(usable)}"
        )
    return kind


def _usable_kinds(device: torch.device) -> list[Kind]:
    """What the device computes with at all, fast or not."""
    if device.type != "cpu":
        return ["float32", "bfloat16", "float16"]
    return cpu_kinds(bfloat16=_library_takes_bf16(), int8=bool(usable_levels()))


def native_kinds(device: torch.device, *, cpuinfo: Path = CPUINFO) -> list[Kind]:
    """What the device computes with by itself: float32, and what may be faster, the wider range first.

    Args:
        device: a CPU or a GPU.
        cpuinfo: where the system lists what the CPU can; a system without it is taken to know float32 alone.
    """
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return gpu_kinds(major)
    flags = _cpu_flags(cpuinfo)
    return cpu_kinds(
        bfloat16=not BF16_FLAGS.isdisjoint(flags) and _library_takes_bf16(),
        int8=INT8_FLAG in flags and bool(usable_levels()),
    )


def cpu_kinds(*, bfloat16: bool, int8: bool) -> list[Kind]:
    """What a CPU computes with that has these besides float32."""
    floats: list[Kind] = ["float32", "bfloat16"] if bfloat16 else ["float32"]
    eights: list[Kind] = ["int8", "int8-bfloat16"] if bfloat16 else ["int8"]
    return [*floats, *(eights if int8 else [])]


def gpu_kinds(capability: int) -> list[Kind]:
    """What GPUs of that compute capability, of which the first number counts, compute with by themselves."""
    return ["float32", "bfloat16", "float16"] if capability >= AMPERE else ["float32", "float16"]


def least_of_rounds(kinds: Sequence[Kind], seconds: Seconds) -> dict[Kind, float]:
    """The least that each kind took, in turn with the others; the first round is not counted."""
    rounds = [{kind: seconds(kind) for kind in kinds} for _ in range(ROUNDS + 1)][1:]
    return {kind: min(took[kind] for took in rounds) for kind in kinds}


def perceptron_seconds(device: torch.device) -> Seconds:
    """Times a perceptron of the image encoder, where most multiplications are.

    On a CPU by the clock of this thread, which has to be the only one that computes.
    """

    def seconds(kind: Kind) -> float:
        try:
            compute = _perceptron(device, kind)
            return _on_cpu(compute) if device.type == "cpu" else wall_seconds(compute, device)
        except RuntimeError:  # what torch's libraries raise where they lack it
            return math.inf

    return seconds


def _perceptron(device: torch.device, kind: Kind) -> Callable[[], Tensor]:
    """What is timed, ready to be computed."""
    tokens, width = PERCEPTRONS[device.type]
    numbers = Precision(kind)
    layers = [nn.Linear(width, EXPANSION * width), nn.Linear(EXPANSION * width, width)]
    first, second = (Int8Linear(one) if numbers.int8 else one.to(device, numbers.dtype) for one in layers)
    features = torch.ones(tokens, width, dtype=numbers.dtype, device=device)
    return lambda: perceptron(features, first, second, added=features)


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
def _on_cpu(compute: Callable[[], Tensor]) -> float:
    started = time.thread_time()
    compute()
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
