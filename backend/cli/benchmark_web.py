"""``oneshot benchmark web``: whether Label Studio is answered at once while workers compute."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import click

from backend.cli.benchmark_figures import print_figures

if TYPE_CHECKING:
    from backend.demo.processes import Child, Processes

CORES = 2
WARM_UP_REQUESTS = 20
IMPORT_RUNS = 5
TARGETS = {
    "resident_mb": 150.0,
    "import_s": 1.0,
    "health_p99_ms": 50.0,
    "webhook_p99_ms": 50.0,
    "health_beside_predict_p99_ms": 150.0,
}
PREDICT_TASKS = 10_000  # of one request, as "Retrieve predictions" for all tasks sends them
BURNER = "while True: pass"
IMPORTS = """
import time
start = time.perf_counter()
import backend.cli.main, backend.cli.web, backend.web.server, backend.web.app
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Request:
    """What Label Studio sends, again and again."""

    name: str
    method: str
    path: str
    body: bytes = b""


@click.command()
@click.option(
    "--requests", default=500, show_default=True, type=click.IntRange(min=1), help="Requests a page."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def web(*, requests: int, as_json: bool) -> None:
    """Measure the web process while two cores are busy: memory, imports, the times of its answers.

    Example: oneshot benchmark web --requests 1000
    """
    print_figures(web_figures(requests=requests), TARGETS, as_json=as_json)


def web_figures(*, requests: int) -> dict[str, float]:
    """Resident memory in MB (10^6 bytes), seconds of the imports, milliseconds of the answers by percentile.

    The web process, its Valkey, one endless loop per core and this client share two cores, and each request
    comes on a connection of its own, as Label Studio's do.
    """
    from backend.demo.processes import Processes

    figures = {"import_s": import_s()}
    with two_cores(), tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        child, port, redis_url = start_web(processes)
        know_a_project(redis_url)
        for core in range(CORES):
            processes.start(f"burner-{core}", [sys.executable, "-c", BURNER])
        for request in (Request("health", "GET", "/health"), Request("webhook", "POST", "/webhook", event())):
            times_ms = sorted(
                [answer_ms(port, request) for _ in range(WARM_UP_REQUESTS + requests)][WARM_UP_REQUESTS:]
            )
            figures |= {f"{request.name}_p{share}_ms": percentile(times_ms, share) for share in (50, 99)}
        figures |= beside_predict(port, requests=requests)
        figures["resident_mb"] = resident_mb(child.process.pid)
    return figures


def beside_predict(port: int, *, requests: int) -> dict[str, float]:
    """Milliseconds of /health while one request after the other asks for thousands of predictions."""
    health, ended, took_ms = Request("health", "GET", "/health"), Event(), list[float]()

    def ask() -> None:
        for number in count():
            request = Request("predict", "POST", "/predict", many_tasks(number * PREDICT_TASKS))
            took_ms.append(answer_ms(port, request))
            if ended.is_set():
                return

    asking = Thread(target=ask)
    asking.start()
    times_ms = sorted(answer_ms(port, health) for _ in range(requests))
    ended.set()
    asking.join()
    return {"health_beside_predict_p99_ms": percentile(times_ms, 99), "predict_ms": max(took_ms)}


def import_s() -> float:
    """Seconds that the imports of the web process take, the files being in memory."""
    runs = [
        subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, check=True, text=True).stdout
        for _ in range(IMPORT_RUNS)
    ]
    return min(map(float, runs))


@contextmanager
def two_cores() -> Iterator[None]:
    """Keep this process, and what it starts, on two cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def know_a_project(redis_url: str) -> None:
    """Let Valkey hold a project with a reference: only its tasks are queued."""
    from backend.jobs.connection import connect
    from backend.jobs.progress import Progress, ReferenceNote

    with connect(redis_url, timeout_s=5) as connection:
        Progress(connection).set_generation(2, "benchmark", [ReferenceNote("Coin", 1, 1, 1)])


def start_web(processes: "Processes") -> "tuple[Child, int, str]":
    """Start the web process on an empty Valkey, and wait until it answers; give its port, Valkey's URL."""
    from backend.demo.processes import free_port
    from backend.demo.valkey import start_valkey

    port, redis_url = free_port(), start_valkey(processes)
    environment = os.environ | {"REDIS_URL": redis_url, "ONESHOT_BASIC_AUTH_USER": ""}
    command = [sys.executable, "-m", "backend.cli", "web", "--host", "127.0.0.1", "--port", str(port)]
    child = processes.start("web", command, environment=environment)
    child.wait_healthy(f"http://127.0.0.1:{port}/health")
    return child, port, redis_url


def event() -> bytes:
    """A submitted annotation of 20 regions, some 200 kB: the body of a webhook."""
    region = {"type": "brushlabels", "value": {"format": "rle", "rle": list(range(256)) * 10}}
    annotation = {"id": 1, "task": 1, "project": 2, "result": [region] * 20, "was_cancelled": False}
    project = {"id": 2, "title": "benchmark", "label_config": "<View/>" * 100}
    return json.dumps({"action": "ANNOTATION_CREATED", "annotation": annotation, "project": project}).encode()


def many_tasks(first: int) -> bytes:
    """The body of a /predict of tasks that nobody has asked for yet."""
    tasks = [
        {"id": first + number, "data": {"image": "/data/upload/2/image.png"}, "annotations": []}
        for number in range(1, PREDICT_TASKS + 1)
    ]
    return json.dumps({"tasks": tasks, "project": "2.1", "label_config": "<View/>"}).encode()


def answer_ms(port: int, request: Request) -> float:
    """Milliseconds from the connection to the last byte of the answer."""
    start = time.perf_counter()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(request.method, request.path, request.body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise click.ClickException(f"expected {request.path} to answer 200, got {response.status}")
    return (time.perf_counter() - start) * 1000


def percentile(ascending: list[float], share: int) -> float:
    """The value that *share* percent of the values do not exceed."""
    return ascending[min(len(ascending) - 1, len(ascending) * share // 100)]


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS"))
