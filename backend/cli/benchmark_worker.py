"""``oneshot benchmark worker``: the memory that one worker process takes."""

import json
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES_HW = ((303, 384), (1200, 1600), (3000, 4000))  # the last is a phone's photograph


@click.command()
@click.option("--images", default=6, show_default=True, type=click.IntRange(min=1), help="Images to segment.")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def worker(*, images: int, as_json: bool) -> None:
    """Measure a worker's memory: load the models, learn one coin, find coins on images up to 12 megapixels.

    Example: oneshot benchmark worker --images 12
    """
    figures = worker_memory(Settings(), images=images)
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        click.echo(f"{name:20} {value:8.1f}")


def worker_memory(settings: Settings, *, images: int) -> dict[str, float]:
    """Resident memory in MB (10^6 bytes) of this process while it does a worker's job, and its speed.

    Returns:
        ``loaded_mb`` with the models loaded, ``resident_mb`` after the last image, ``peak_mb`` the most at
        any time, ``seconds_per_image`` from pixels to instances, ``instances`` in all.
    """
    import backend.worker.start  # noqa: F401 - a worker's imports count
    from backend.evaluation.coins import coin_masks, coins_image
    from backend.vision.pipeline import find_instances
    from backend.vision.reference import build_reference
    from backend.worker.models import configured_models
    from backend.worker.search_options import search_options

    models = configured_models(settings)
    loaded_mb = memory_mb("VmRSS")
    mask = coin_masks()[0]
    reference = build_reference(models.sam, models.semantic, coins_image(), [mask], label="coin")
    options = search_options(settings)
    found, started = 0, time.monotonic()
    for size_hw in islice(cycle(SIZES_HW), images):
        found += len(find_instances(models, [reference], resized(size_hw), options=options).instances)
    return {
        "loaded_mb": loaded_mb,
        "resident_mb": memory_mb("VmRSS"),
        "peak_mb": memory_mb("VmHWM"),
        "seconds_per_image": (time.monotonic() - started) / images,
        "instances": found,
    }


def resized(size_hw: tuple[int, int]) -> "NDArray[np.uint8]":
    """The coins, enlarged to (H, W, 3) uint8."""
    import numpy as np
    from PIL import Image

    from backend.evaluation.coins import coins_image

    height, width = size_hw
    return np.array(Image.fromarray(coins_image()).resize((width, height)))


def memory_mb(field: str) -> float:
    """A memory figure of this process, in MB: ``VmRSS`` is what is resident, ``VmHWM`` its peak."""
    status: dict[str, Any] = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return int(status[field].split()[0]) * 1024 / 1e6
