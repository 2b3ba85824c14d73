"""Time ways to do the same in one run, and say on what machine that was."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from backend.checkpoints.precision import CPUINFO


@dataclass(frozen=True)
class Timing:
    """What one way took.

    Attributes:
        case: what was done.
        way: how it was done.
        wall_ms: the least of all rounds, in milliseconds.
        cpu_ms: of all cores together, the least of all rounds; other processes disturb it less.
        times_faster: the CPU time of the way it is compared with, by its own; 1 for that one.
    """

    case: str
    way: str
    wall_ms: float
    cpu_ms: float
    times_faster: float


def in_turn(case: str, ways: Mapping[str, Callable[[], object]], *, rounds: int) -> list[Timing]:
    """Time each way once a round, so that whatever else the machine does meets all of them.

    Args:
        case: what is done.
        ways: by name; the others are compared with the first.
        rounds: how often, after one that is not counted.
    """
    walls: dict[str, list[float]] = {way: [] for way in ways}
    cpus: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, work in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            if number:
                cpus[way].append((time.process_time() - cpu) * 1000)
                walls[way].append((time.perf_counter() - wall) * 1000)
    peer = min(cpus[next(iter(ways))])
    return [Timing(case, way, min(walls[way]), min(cpus[way]), peer / min(cpus[way])) for way in ways]


def machine(packages: Sequence[str], *, cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """The CPU, its cores, how busy it was, and the versions of Python and of *packages*."""
    facts = {
        "cpu": _cpu(cpuinfo),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
    }
    return facts | {name: _version(name) for name in packages}


def report(timings: Sequence[Timing], facts: Mapping[str, str]) -> dict[str, Any]:
    """All of it, as JSON takes it."""
    return {"machine": dict(facts), "timings": [asdict(timing) for timing in timings]}


def told(timings: Sequence[Timing], facts: Mapping[str, str]) -> str:
    """All of it, for a person."""
    lines = ["  ".join(f"{name} {value}" for name, value in facts.items())]
    cases = max(len(timing.case) for timing in timings)
    ways = max(len(timing.way) for timing in timings)
    lines.append(f"{'':{cases}}  {'':{ways}}  {'wall ms':>9}  {'CPU ms':>9}  {'times faster':>12}")
    lines += [
        f"{timing.case:{cases}}  {timing.way:{ways}}  {timing.wall_ms:9.1f}  {timing.cpu_ms:9.1f}"
        f"  {timing.times_faster:12.2f}"
        for timing in timings
    ]
    return "\n".join(lines)


def _cpu(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
