"""``oneshot benchmark smart-tools``: how long somebody who clicks on a thing waits for its mask.

Web process, worker, Valkey and models are the real ones, on two cores. Only Label Studio is stood in for, by
a server that answers at once; the image is scikit-image's ``coins()`` with a little noise, which is
different each time: nothing about it was kept by an earlier run.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from backend.cli.benchmark_figures import print_figures
from backend.cli.benchmark_label_studio import IDS_A_PROJECT, LABEL, SIZE_HW, TOKEN, StandIn, serve
from backend.cli.benchmark_web import percentile, two_cores

if TYPE_CHECKING:
    from backend.demo.processes import Processes

PROJECT = 1
TARGETS = {"kept_p95_s": 2.0, "warm_p95_s": 2.0}
LOADED_S = 120.0
LONGEST_WAIT_S = 60


@dataclass(frozen=True)
class Clicks:
    """Seconds that answers took.

    Attributes:
        first: in tasks that nobody has clicked into; what the encoder says of their image is kept on the
            disk, but for the very first one.
        second: in the same tasks, on another thing.
    """

    first: Sequence[float]
    second: Sequence[float]


@click.command("smart-tools")
@click.option(
    "--tasks", default=20, show_default=True, type=click.IntRange(2, 1000), help="Tasks to click into."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def smart_tools(*, tasks: int, as_json: bool) -> None:
    """Measure answers to clicks: cold, with the image's embedding kept, warm, and with all that looks alike.

    Example: oneshot benchmark smart-tools --tasks 20
    """
    print_figures(smart_tools_figures(tasks=tasks), TARGETS, as_json=as_json)


def smart_tools_figures(*, tasks: int) -> dict[str, float]:
    """Seconds from the request to the answer, one worker being free."""
    from backend.demo.processes import Processes

    stand_in = StandIn({PROJECT: tasks})
    stand_in.image = _coins_jpeg()
    with (
        two_cores(),
        tempfile.TemporaryDirectory() as folder,
        serve(stand_in),
        Processes(Path(folder)) as processes,
    ):
        ports = _start(processes, stand_in.url)
        thing, similar = (_clicks(port, tasks) for port in ports)
    return {
        "cold_s": thing.first[0],
        "kept_p95_s": percentile(sorted(thing.first[1:]), 95),
        "warm_s": statistics.median(thing.second),
        "warm_p95_s": percentile(sorted(thing.second), 95),
        "similar_s": statistics.median(similar.second),
    }


def _start(processes: "Processes", label_studio_url: str) -> list[int]:
    """Start a worker, and a web process for each kind of answer; their ports."""
    from backend.demo.processes import free_port
    from backend.demo.valkey import start_valkey

    environment = os.environ | {
        "REDIS_URL": start_valkey(processes),
        "LABEL_STUDIO_URL": label_studio_url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "ONESHOT_BASIC_AUTH_USER": "",
        "ONESHOT_INTERACTIVE_S": str(LONGEST_WAIT_S),
    }
    oneshot = [sys.executable, "-m", "backend.cli"]
    worker = processes.start("worker", [*oneshot, "worker"], environment=environment)
    worker.wait_until(lambda: "waiting for jobs" in worker.log.read_text(), timeout_s=LOADED_S)
    ports = []
    for brings in ("thing", "similar"):
        ports.append(free_port())
        web = processes.start(
            f"web-{brings}",
            [*oneshot, "web", "--host", "127.0.0.1", "--port", str(ports[-1])],
            environment=environment | {"ONESHOT_INTERACTIVE": brings},
        )
        web.wait_healthy(f"http://127.0.0.1:{ports[-1]}/health")
    return ports


def _clicks(port: int, tasks: int) -> Clicks:
    """Click on a coin in each task, then on another one."""
    from backend.evaluation.coins import coin_masks

    masks = coin_masks()
    places = []
    for mask in masks[:2]:
        rows, columns = mask.nonzero()
        places.append((float(columns.mean()), float(rows.mean())))
    first, second = [], []
    for number in range(tasks):
        task_id = PROJECT * IDS_A_PROJECT + 2 + number
        first.append(_seconds(port, task_id, places[0]))
        second.append(_seconds(port, task_id, places[1]))
    return Clicks(first, second)


def _seconds(port: int, task_id: int, place_xy: tuple[float, float]) -> float:
    body, started = json.dumps(click_body(task_id, place_xy)), time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=2 * LONGEST_WAIT_S)
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    if not answer.get("results", [{}])[0].get("result"):
        raise click.ClickException(
            f"expected /predict to answer with a mask, got {response.status}: {answer}"
        )
    return time.perf_counter() - started


def click_body(task_id: int, place_xy: tuple[float, float]) -> dict[str, Any]:
    """What Label Studio sends when somebody clicks at a pixel, (x, y)."""
    height, width = SIZE_HW
    (x, y) = place_xy
    region = {
        "id": f"click-{time.monotonic_ns()}",
        "type": "keypointlabels",
        "from_name": "point",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "is_positive": True,
        "value": {"x": x / width * 100, "y": y / height * 100, "width": 0.3, "keypointlabels": [LABEL]},
    }
    task = {"id": task_id, "data": {"image": f"/data/upload/{task_id}.jpg"}}
    params = {"login": None, "password": None, "context": {"result": [region]}}
    return {"tasks": [task], "project": f"{PROJECT}.1", "label_config": "<View/>", "params": params}


def _coins_jpeg() -> bytes:
    from io import BytesIO

    import numpy as np
    from PIL import Image

    from backend.evaluation.coins import coins_image

    buffer, image = BytesIO(), coins_image()
    noise = np.random.default_rng().integers(-2, 3, image.shape)
    pixels = np.clip(image + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
