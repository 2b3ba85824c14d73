"""What Label Studio itself takes for tasks and predictions: the figures that docs/operations.md reckons with.

.venv/bin/python -m tests.docker.label_studio_figures --tasks 20000 --predictions 1000
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.demo.label_studio import start_label_studio
from backend.demo.processes import Processes
from backend.evaluation.coins import coin_masks
from backend.labelstudio.client import LabelStudio
from tests.annotator import LABEL_CONFIG, Annotator, annotator_at, brush_region

ENVIRONMENT = Path(__file__).parents[2] / ".venv-label-studio"
RECOUNT_FEW = "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short"
VERSION = "oneshot-mobilesam-0123456789ab"
SIZES_HW = ((303, 384), (1200, 1600), (3000, 4000))
PUSHED_HW = SIZES_HW[1]
INSTANCES = 12
IMPORTED = 1000
BATCH = 16
Value = TypeVar("Value")


@click.command()
@click.option(
    "--tasks", default=20_000, show_default=True, type=click.IntRange(min=1000), help="Of the project."
)
@click.option("--predictions", default=160, show_default=True, type=click.IntRange(min=BATCH), help="Pushed.")
@click.option("--recount-few", is_flag=True, help=f"Label Studio runs with {RECOUNT_FEW}=true.")
def label_studio_figures(*, tasks: int, predictions: int, recount_few: bool) -> None:
    """Measure the real Label Studio on SQLite: its database, its times for tasks and predictions.

    Example: python -m tests.docker.label_studio_figures --tasks 20000 --predictions 160
    """
    figures = {
        f"json_kb_per_region_{height}x{width}": region_kb((height, width)) for height, width in SIZES_HW
    }
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        data = Path(folder) / "data"
        environment = with_variable(Path(folder), RECOUNT_FEW) if recount_few else ENVIRONMENT
        server = start_label_studio(processes, environment=environment, data_dir=data)
        with LabelStudio(server.url, server.token, timeout_s=120) as client:
            figures |= measured(annotator_at(server), client, data, tasks=tasks, predictions=predictions)
    for name, value in figures.items():
        click.echo(f"{name:32} {value:9.2f}")


def with_variable(folder: Path, name: str) -> Path:
    """Make an environment whose Label Studio is the real one, with a further variable set to true."""
    program = folder / "environment/bin/label-studio"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n{name}=true exec "{ENVIRONMENT}/bin/label-studio" "$@"\n')
    program.chmod(0o755)
    return program.parents[1]


def measured(
    annotator: Annotator, client: LabelStudio, data: Path, *, tasks: int, predictions: int
) -> dict[str, float]:
    """Fill one project, read it as a run does, and push to it as a worker does."""
    project = annotator.create_project("figures")
    empty = database_bytes(data)
    import_s, ids = timed(lambda: import_tasks(annotator, project, tasks))
    with_tasks = database_bytes(data)
    first_s, _ = timed(lambda: client.task_page(project, without_version=VERSION))
    push_s, _ = timed(lambda: push(client, project, ids[:predictions]))
    page_s, _ = timed(lambda: client.task_page(project, after_id=ids[-200], without_version=VERSION))
    return {
        "import_ms_per_task": import_s / tasks * 1000,
        "database_bytes_per_task": (with_tasks - empty) / tasks,
        "first_page_of_100_s": first_s,
        "last_page_of_100_s": page_s,
        "push_ms_per_prediction": push_s / predictions * 1000,
        "database_kb_per_prediction": (database_bytes(data) - with_tasks) / predictions / 1000,
    }


def import_tasks(annotator: Annotator, project: int, tasks: int) -> list[int]:
    """Tasks with addresses of images that nobody fetches."""
    ids: list[int] = []
    for start in range(0, tasks, IMPORTED):
        addresses = [
            f"https://images.example.com/2026/{each:08}.jpg" for each in range(start, start + IMPORTED)
        ]
        ids += annotator.import_addresses(project, addresses)
    return ids


def push(client: LabelStudio, project: int, task_ids: list[int]) -> None:
    """A prediction of twelve instances for each task, in batches."""
    regions = coin_regions(PUSHED_HW)
    for start in range(0, len(task_ids), BATCH):
        batch = task_ids[start : start + BATCH]
        items = [{"task": each, "model_version": VERSION, "score": 0.9, "result": regions} for each in batch]
        client.replace_predictions(project, VERSION, items, label_config=LABEL_CONFIG, without=batch)


def coin_regions(size_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """Twelve of scikit-image's coins, in an image of that size, as regions."""
    masks = [resized(mask, size_hw) for mask in coin_masks()[:INSTANCES]]
    return [brush_region(mask, region_id=f"instance-{number}") for number, mask in enumerate(masks)]


def resized(mask: NDArray[np.bool_], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask in another size, (H, W) bool."""
    height, width = size_hw
    return np.asarray(Image.fromarray(mask).resize((width, height)))


def region_kb(size_hw: tuple[int, int]) -> float:
    """Kilobytes of JSON for one of the regions, on average."""
    return len(json.dumps(coin_regions(size_hw))) / INSTANCES / 1000


def database_bytes(data: Path) -> int:
    """Size of Label Studio's SQLite database, what is not yet merged included."""
    return sum(path.stat().st_size for path in data.glob("*.sqlite3*"))


def timed(work: Callable[[], Value]) -> tuple[float, Value]:
    """Seconds that *work* took, and what it gave."""
    started = time.monotonic()
    value = work()
    return time.monotonic() - started, value


if __name__ == "__main__":
    label_studio_figures()
