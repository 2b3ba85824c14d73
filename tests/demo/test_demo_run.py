"""Claims about the demo as a newcomer runs it: the real Label Studio, the real weights, our own processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
from numpy.typing import NDArray

from backend.demo.coins import COIN_COUNTS, demo_images, reference_mask
from backend.demo.label_studio import LabelStudioAccount, copy_data_dir, migrated_data_dir
from backend.demo.project import brushed_region
from backend.labelstudio.label_config import Control

pytestmark = [pytest.mark.label_studio, pytest.mark.weights, pytest.mark.timeout(900)]

LABEL_STUDIO_ENVIRONMENT = Path(__file__).parents[2] / ".venv-label-studio"
TOLD_TO_STOP = "Ctrl-C stops everything"
ROW = re.compile(r"(coins-\d)\.png\s*│\s*(\d+) of (\d+)")


@pytest.fixture(scope="module")
def data_dir(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data; Label Studio's first start is done already."""
    folder = tmp_path_factory.mktemp("demo")
    template = migrated_data_dir(
        pytestconfig.cache.mkdir("label-studio"), environment=LABEL_STUDIO_ENVIRONMENT
    )
    copy_data_dir(template, folder / "label-studio")
    return folder


def oneshot_demo(data_dir: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "backend.cli", "demo", "--data", str(data_dir), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the program's output up to the line that holds *text*."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"the demo ended before it said {text!r}:\n{''.join(lines)}")


def wait_gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there after ten seconds."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    return alive


def test_one_painted_coin_finds_all_others_and_ctrl_c_stops_everything(data_dir: Path) -> None:
    """Every picture gets the right number of coins, the bare background none."""
    demo = oneshot_demo(data_dir)

    output = read_until(demo, TOLD_TO_STOP)
    started = psutil.Process(demo.pid).children(recursive=True)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)

    found = {name: (int(instances), int(true)) for name, instances, true in ROW.findall(output)}
    assert found == {name: (true, true) for name, true in COIN_COUNTS.items() if name != "coins-1"}
    assert "/data\nlog in as " in output
    assert demo.returncode == 0, rest
    assert len(started) >= 4, "a queue, Label Studio, a web process, a worker"
    assert wait_gone(started) == []


def test_a_second_run_on_the_same_data_ends_by_itself_with_0(data_dir: Path) -> None:
    demo = oneshot_demo(data_dir, "--once")

    output, _ = demo.communicate(timeout=600)

    assert demo.returncode == 0, output


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_demo_is_ended_while_it_starts(
    data_dir: Path, signal_number: signal.Signals
) -> None:
    demo = oneshot_demo(data_dir)
    read_until(demo, "Starting the queue")
    deadline = time.monotonic() + 30
    while not (started := psutil.Process(demo.pid).children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.1)

    os.kill(demo.pid, signal_number)
    demo.communicate(timeout=60)

    assert started
    assert wait_gone(started) == []


def test_own_images_wait_until_the_person_has_painted(data_dir: Path, tmp_path: Path) -> None:
    """The demo says where to paint and waits; after the submit it predicts the others, and ends with 0."""
    images = demo_images()[:3]
    for image in images:
        (tmp_path / f"{image.name}.png").write_bytes(image.png())
    demo = oneshot_demo(data_dir, "--images", str(tmp_path), "--label", "Coin of mine", "--once")

    output = read_until(demo, "paint one object")
    assert "3 images imported" in output
    submit_as_a_person_would(output, reference_mask(images[0]))
    rest, _ = demo.communicate(timeout=600)

    assert demo.returncode == 0, rest
    assert "coins-1.png" not in rest
    assert re.search(r"coins-2\.png\s*│\s*4 ", rest)
    assert re.search(r"coins-3\.png\s*│\s*6 ", rest)


def submit_as_a_person_would(output: str, mask: NDArray[np.bool_]) -> None:
    """Brush *mask* on the first task of the project whose address the demo has printed."""
    address = re.search(r"The project: (http://\S+)/projects/(\d+)/data", output)
    assert address is not None
    control = Control("label", "image", "image", ("Coin of mine",))
    region = brushed_region(mask, control=control, label="Coin of mine")
    with requests.Session() as session:
        session.headers["Authorization"] = f"Token {LabelStudioAccount().token}"
        tasks = session.get(f"{address[1]}/api/tasks?project={address[2]}&fields=all", timeout=30).json()[
            "tasks"
        ]
        task = next(task["id"] for task in tasks if task["data"]["image"].endswith("-coins-1.png"))
        url = f"{address[1]}/api/tasks/{task}/annotations/"
        session.post(url, json={"result": [region]}, timeout=30).raise_for_status()
