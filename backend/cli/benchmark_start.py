"""``oneshot benchmark start``: how soon a worker is ready, and the memory that it takes."""

import json
import os
import subprocess
import sys
import time

import click

TARGETS = {"ready_s": 5.0, "peak_mb": 1000.0}
LABELS = {
    "ready_s": "ready, wall time (s)",
    "ready_cpu_s": "ready, CPU time (s)",
    "loaded_mb": "memory with the models (MB)",
    "peak_mb": "most memory, images up to 12 megapixels (MB)",
}
_READY = """
import json, time
import backend.worker.start
from backend.settings import Settings
from backend.worker.models import configured_models
configured_models(Settings())
print(json.dumps({"cpu_s": time.process_time()}))
"""


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="How often.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def start(*, rounds: int, as_json: bool) -> None:
    """Measure a worker process from its start until its models are loaded, and its memory after that.

    The least of all rounds, so that the files are in the disk's cache. Ends with 1 where it takes longer than
    5 s, or more than 1 GB.

    Example: oneshot benchmark start --rounds 5
    """
    from backend.evaluation.speed import machine

    figures = start_figures(rounds=rounds)
    missed = [name for name, target in TARGETS.items() if figures[name] > target]
    facts = machine(["torch"]) | {"rounds": str(rounds)}
    if as_json:
        click.echo(json.dumps({"machine": facts, **figures, "missed": missed}))
    else:
        click.echo("  ".join(f"{name} {value}" for name, value in facts.items()))
        for name, label in LABELS.items():
            target = f"  target {TARGETS[name]:g}" if name in TARGETS else ""
            click.echo(f"{label:46} {figures[name]:8.1f}{target}")
    if missed:
        raise SystemExit(1)


def start_figures(*, rounds: int) -> dict[str, float]:
    """Start a worker's process *rounds* times, and once let one segment images."""
    timings = [_ready() for _ in range(rounds)]
    memory = _output([sys.executable, "-m", "backend.cli", "benchmark", "worker", "--images", "3", "--json"])
    return {
        "ready_s": min(wall for wall, _ in timings),
        "ready_cpu_s": min(cpu for _, cpu in timings),
        "loaded_mb": memory["loaded_mb"],
        "peak_mb": memory["peak_mb"],
    }


def _ready() -> tuple[float, float]:
    """Wall and CPU seconds of one process, from its start until its models are loaded."""
    started = time.perf_counter()
    answer = _output([sys.executable, "-c", _READY])
    return time.perf_counter() - started, answer["cpu_s"]


def _output(command: list[str]) -> dict[str, float]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())
    if done.returncode != 0:
        raise click.ClickException(
            f"expected {command[1]} to end with 0, got {done.returncode}: {done.stderr[-500:]}"
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
