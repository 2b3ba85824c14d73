"""How long work takes on a CPU or a GPU, on the wall."""

import time
from collections.abc import Callable

import torch


def least_seconds(work: Callable[[], object], device: torch.device, *, rounds: int) -> float:
    """The least time on the wall that some work took, after one round that is not counted."""
    return min([wall_seconds(work, device) for _ in range(rounds + 1)][1:])


def wall_seconds(work: Callable[[], object], device: torch.device) -> float:
    """The time on the wall until some work is done, by a GPU as well."""
    _wait(device)
    started = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
