"""``oneshot benchmark workers``: images a minute against the number of processes that segment them.

``python -m backend.cli.benchmark_workers IMAGES`` is one of these processes: it says that it is ready, waits
for a line, and tells what it took. Queue and Label Studio are left out: ``oneshot benchmark queue`` has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

THINGS = 10  # in each image
READY = "ready"


@dataclass(frozen=True)
class Throughput:
    """What some processes at once got done.

    Attributes:
        workers: processes, one thread each.
        images: all together.
        wall_s: from the word to begin until the last was done.
        cpu_s: of all cores together.
        true: things in all images.
        found: instances.
    """

    workers: int
    images: int
    wall_s: float
    cpu_s: float
    true: int
    found: int

    @property
    def per_minute(self) -> float:
        """Images, as the clock on the wall has it: what else the machine does counts."""
        return 60 * self.images / self.wall_s

    @property
    def per_minute_by_cpu(self) -> float:
        """Images, if each process had had a core to itself all the time."""
        return 60 * self.images * self.workers / self.cpu_s


@click.command()
@click.option("--counts", default="1,2", show_default=True, help="Numbers of workers.")
@click.option(
    "--images", default=6, show_default=True, type=click.IntRange(min=1), help="Images of each worker."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def workers(*, counts: str, images: int, as_json: bool) -> None:
    """Let 1, 2 and more processes segment scenes of ten coins at once, with one thread each.

    More workers than cores get no more done. Other work on the machine disturbs what the clock on the wall
    says; by CPU time, what workers take from each other (caches, memory) is still seen.

    Example: oneshot benchmark workers --counts 1,2,4
    """
    from backend.evaluation.speed import machine

    figures = [throughput(count, images=images) for count in whole_numbers(counts)]
    facts = machine(["torch"]) | {"images of each": str(images)}
    if as_json:
        click.echo(json.dumps({"machine": facts, "workers": [told(one) for one in figures]}))
    else:
        click.echo("\n".join(["  ".join(pair) for pair in facts.items()] + ["", *table(figures)]))


def whole_numbers(text: str) -> list[int]:
    """Whole numbers above 0 with commas between them."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError as exc:
        raise click.UsageError(f"expected whole numbers with commas between them, got {text!r}") from exc
    if min(found) < 1:
        raise click.UsageError(f"expected numbers above 0, got {text!r}")
    return found


def throughput(count: int, *, images: int) -> Throughput:
    """Start processes, wait until all are ready, and let them begin at once.

    Args:
        count: of processes.
        images: that each segments.

    Raises:
        ClickException: one of them ended without an answer.
    """
    environment = os.environ | {"ONESHOT_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "backend.cli.benchmark_workers", str(images)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
                )
            )
            for _ in range(count)
        ]
        for process in processes:
            _line(process)
        started = time.perf_counter()
        for process in processes:
            print(file=process.stdin, flush=True)
        answers = [json.loads(_line(process)) for process in processes]
        wall_s = time.perf_counter() - started
    cpu_s, true, found = (sum(one[name] for one in answers) for name in ("cpu_s", "true", "found"))
    return Throughput(count, count * images, wall_s, cpu_s, true, found)


def told(figures: Throughput) -> dict[str, float]:
    """As JSON takes it."""
    return asdict(figures) | {
        "per_minute": figures.per_minute,
        "per_minute_by_cpu": figures.per_minute_by_cpu,
    }


def table(figures: Sequence[Throughput]) -> list[str]:
    """A line for each number of workers."""
    heads = f"{'workers':>8}{'images':>8}{'found':>7}{'of':>6}{'images/min':>12}{'with a core each':>18}"
    return [heads] + [
        f"{one.workers:8}{one.images:8}{one.found:7}{one.true:6}{one.per_minute:12.1f}"
        f"{one.per_minute_by_cpu:18.1f}"
        for one in figures
    ]


def segment_images(images: int) -> None:
    """Be one of the processes: load the models, say so, wait for a line, segment, tell what it took."""
    from backend.evaluation.job_speed import COLD, job_images, job_reference, own_way, sent
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    settings = Settings()
    models = configured_models(settings)
    options, scenes = search_options(settings), job_images(images, things=THINGS)
    way = own_way(COLD, models, job_reference(models, options, things=THINGS), options)
    sent(scenes[0], way)
    click.echo(READY)
    sys.stdin.readline()
    started = time.process_time()
    spent = [sent(scene, way) for scene in scenes]
    cpu_s = time.process_time() - started
    found = sum(one.counts.matched + one.counts.false for one in spent)
    click.echo(json.dumps({"cpu_s": cpu_s, "true": THINGS * images, "found": found}))


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise click.ClickException(f"expected a worker to answer, but it ended with {process.wait()}")
    return line


if __name__ == "__main__":
    segment_images(int(sys.argv[1]))
