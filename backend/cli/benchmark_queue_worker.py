"""A worker as ``oneshot worker`` runs it, but for the model: it burns a given time of a core an image.

``python -m backend.cli.benchmark_queue_worker --model-ms MS --log FILE PROJECT...``
"""

import hashlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from backend.cli.benchmark_label_studio import LABEL, SIZE_HW
from backend.cli.log import configure_logging
from backend.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from backend.vision.instance import Instance
    from backend.vision.learned import Learned
    from backend.vision.pipeline import Models, SearchOptions, Segmentation
    from backend.vision.reference import Reference
    from backend.worker.context import JobContext, WorkerContext
    from backend.worker.generation import Generation

INSTANCES = 12  # on each image
RADIUS = 20
BLOCK = bytes(2**18)  # hashed without holding Python's lock, as the model computes
REDIS_TIMEOUT_S = 40


@dataclass(frozen=True)
class Computing:
    """One image in the model.

    Attributes:
        started: epoch seconds.
        wall_s: seconds on the clock.
        cpu_s: seconds of a core.
        attempt: of this worker's jobs, counted.
        job_id: of the job.
    """

    started: float
    wall_s: float
    cpu_s: float
    attempt: int
    job_id: str

    @classmethod
    def read(cls, log: Path) -> "list[Computing]":
        """Give the whole lines of a worker's log."""
        rows = [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [cls(float(row[0]), float(row[1]), float(row[2]), int(row[3]), row[4]) for row in rows]

    def write(self, log: TextIO) -> None:
        """Add a line to a worker's log."""
        log.write(f"{self.started:.6f} {self.wall_s:.6f} {self.cpu_s:.6f} {self.attempt} {self.job_id}\n")


class StandInModel:
    """Takes the time of a model, and finds the same objects on every image.

    Args:
        seconds: of one core, for each image.
        log: where each image is noted.
    """

    def __init__(self, seconds: float, log: TextIO) -> None:
        self._seconds = seconds
        self._log = log
        self._instances = instances()
        self._job: JobContext | None = None
        self._attempt = 0

    def __call__(
        self,
        models: "Models",  # noqa: ARG002 - of the real one
        references: "Sequence[Reference]",  # noqa: ARG002
        image: "NDArray[np.uint8]",  # noqa: ARG002
        *,
        options: "SearchOptions",  # noqa: ARG002
        learned: "Learned",  # noqa: ARG002
        size_hw: tuple[int, int] | None,  # noqa: ARG002
    ) -> "Segmentation":
        """Burn the time, and give the objects."""
        from backend.vision.clock import StageSeconds
        from backend.vision.pipeline import Segmentation
        from backend.worker.context import current_job

        started, clock = time.time(), time.perf_counter()
        cpu_s = burn(self._seconds)
        wall_s = time.perf_counter() - clock
        job = current_job.get()
        if job is not self._job:
            self._job, self._attempt = job, self._attempt + 1
        Computing(started, wall_s, cpu_s, self._attempt, job.job_id).write(self._log)
        return Segmentation(self._instances, StageSeconds(encode=wall_s, search=0, check=0))


def burn(seconds: float) -> float:
    """Keep a core busy for *seconds* of this thread's time; gives how long it was."""
    started = time.thread_time()
    while time.thread_time() - started < seconds:
        hashlib.sha256(BLOCK).digest()
    return time.thread_time() - started


def instances() -> "tuple[Instance, ...]":
    """Give discs of one size, side by side."""
    import numpy as np

    from backend.vision.instance import Instance, mask_window

    rows, columns = np.indices(SIZE_HW)
    found = []
    for index in range(INSTANCES):
        row, column = RADIUS + (index // 8) * 3 * RADIUS, RADIUS + (index % 8) * 2 * RADIUS
        mask = (rows - row) ** 2 + (columns - column) ** 2 < RADIUS**2
        found.append(Instance(LABEL, mask_window(mask), confidence=0.9, similarity=0.9))
    return tuple(found)


@click.command()
@click.option("--model-ms", required=True, type=click.FloatRange(min=0))
@click.option("--log", "log_file", required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.argument("project_ids", nargs=-1, type=int, metavar="PROJECT...")
def worker(*, model_ms: float, log_file: Path, project_ids: tuple[int, ...]) -> None:
    """Run jobs of the projects until SIGTERM."""
    from backend.worker.process import work

    settings = Settings()
    configure_logging(settings.oneshot_log_level, settings.oneshot_log_format)
    with log_file.open("w", buffering=1) as log:
        context = worker_context(settings, StandInModel(model_ms / 1000, log))
        for project_id in project_ids:
            context.generations.put(generation(context, project_id))
        work(connection=context.connection, context=context)


def worker_context(settings: Settings, model: StandInModel) -> "WorkerContext":
    """Put together what a worker works with; there are no networks."""
    from backend.jobs.connection import connect
    from backend.labelstudio.client import LabelStudio
    from backend.worker import start

    nothing = cast("Any", None)
    context = start.worker_context(
        settings,
        connection=connect(settings.redis_url, timeout_s=REDIS_TIMEOUT_S),
        label_studio=LabelStudio(
            settings.label_studio_url,
            settings.label_studio_api_key.get_secret_value(),
            timeout_s=settings.oneshot_fetch_timeout_s,
        ),
        models=nothing,
    )
    return replace(context, find=model)


def generation(context: "WorkerContext", project_id: int) -> "Generation":
    """Give the project's generation as a sync finds it: the stand-in learns nothing from the reference.

    Raises:
        ClickException: the project has no reference.
    """
    from backend.worker.generation import GenerationCache
    from backend.worker.references import Sources, learn

    class Taught(GenerationCache):
        """Knows what every reference teaches: nothing."""

        def get(self, project_id: int, version: str) -> "Generation | None":  # noqa: ARG002
            return cast("Generation", SimpleNamespace(references=(), pictures={}))

    lesson = learn(
        replace(context, generations=Taught()),
        context.label_studio.project(project_id),
        Sources(context.label_studio.annotations(project_id)),
    )
    if lesson.generation is None:
        raise click.ClickException(f"expected project {project_id} to have a reference: {lesson.reason}")
    return lesson.generation


if __name__ == "__main__":
    worker()
