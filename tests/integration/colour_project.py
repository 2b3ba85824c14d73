"""A project in the real Label Studio, and a worker that sees nothing but colour, run when it is told to."""

import io
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from redis import Redis

from backend.demo.label_studio import LabelStudioServer
from backend.jobs.progress import Progress
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.vision.pipeline import SearchOptions
from backend.worker.context import WorkerContext
from backend.worker.process import OneshotWorker
from tests.annotator import Annotator, annotator_at
from tests.colour_sam import BLUE, RED, colour_models, drawn
from tests.stack import Stack

COLOURS = {"Coin": RED, "Nut": BLUE}
Things = dict[str, tuple[int, int, int, int]]  # a box by label: top, left, height, width


def coloured_png(things: Things, size_hw: tuple[int, int]) -> bytes:
    """An image that shows these things in their colours."""
    boxes = [(*box, COLOURS[label]) for label, box in things.items()]
    file = io.BytesIO()
    Image.fromarray(drawn(*boxes, size_hw=size_hw)).save(file, "PNG")
    return file.getvalue()


@dataclass
class ColourProject:
    """A connected project, and its worker.

    Attributes:
        id: the project's.
        tasks: in the order of their data.
        annotator: the person.
        context: the worker's.
    """

    id: int
    tasks: list[int]
    annotator: Annotator
    context: WorkerContext

    def run_until(self, ready: Callable[[], object], *, timeout_s: float = 60) -> None:
        """Run what waits, time and again."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            assert time.monotonic() < deadline, f"not after {timeout_s:g} s"
            worker = OneshotWorker(QUEUE_NAMES, connection=self.context.connection, context=self.context)
            worker.work(burst=True, logging_level="CRITICAL")
            time.sleep(0.2)

    def predictions(self) -> dict[int, list[dict[str, Any]]]:
        """The predictions of each task, counted from 1."""
        found: dict[int, list[dict[str, Any]]] = {}
        for each in self.annotator.predictions(self.id):
            found.setdefault(self.tasks.index(each["task"]) + 1, []).append(each)
        return found


@contextmanager
def colour_project(
    title: str,
    label_config: str,
    data: Sequence[Mapping[str, Any]],
    *,
    folder: Path,
    web: Stack,
    label_studio: LabelStudioServer,
) -> Iterator[ColourProject]:
    """Make and connect a project with a task for each of *data*, whose addresses are of files in *folder*."""
    torch.set_num_threads(1)
    limits, annotator = ImageLimits(max_side=1000), annotator_at(label_studio)
    with LabelStudio(label_studio.url, label_studio.token) as client, Redis.from_url(web.redis_url) as redis:
        context = WorkerContext(
            label_studio=client,
            fetcher=ImageFetcher(label_studio.url, client.authorisation, limits=limits, timeout_s=10),
            limits=limits,
            models=colour_models(),
            checkpoint="tiny",
            semantics="colours",
            search=SearchOptions(min_similarity=0.9),  # colours are alike or they are not
            connection=redis,
            queue=JobQueue(redis),
            progress=Progress(redis),
        )
        project = annotator.create_project(title, label_config=label_config)
        storage = {"project": project, "path": str(folder), "use_blob_urls": True}
        annotator.request("POST", "/api/storages/localfiles", json=storage)
        path = f"/api/projects/{project}/import?return_task_ids=true"
        tasks = annotator.request("POST", path, json=[{"data": each} for each in data])["task_ids"]
        annotator.connect(project, web.url)
        yield ColourProject(project, tasks, annotator, context)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
