"""PyPI's label-studio-ml 1.0.9, in an environment of its own, serves our class to the real Label Studio."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.demo.coins import DemoImage, reference_mask
from backend.demo.processes import Processes, free_port
from tests.annotator import Annotator, brush_region, region_mask
from tests.mask_matching import matched_ious
from tests.stack import READY_TIMEOUT_S, Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-label-studio-ml/bin"
MODEL = ROOT / "backend/label_studio_ml/model.py"
POINT = {
    "original_width": 119, "original_height": 130, "image_rotation": 0, "is_positive": True,
    "id": "da7HXJmgJs",
    "from_name": "point", "to_name": "image", "type": "keypointlabels", "origin": "manual",
}  # fmt: skip


@pytest.fixture(name="served", scope="module")
def _served(
    stack: Stack,
    environment: Callable[..., dict[str, str]],
    processes: Processes,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """The server that ``label-studio-ml init`` makes of the class, on the stack's queue; its address."""
    assert BIN.is_dir(), "make test installs .venv-label-studio-ml"
    stack.wait_for(lambda: bool(stack.status()["workers"]), what="the worker has loaded its models")
    folder = tmp_path_factory.mktemp("label-studio-ml")
    port = free_port()
    settings = {
        **environment(redis_url=stack.redis_url, oneshot_interactive_s="60"),
        "PATH": f"{BIN}:/usr/bin:/bin",
    }
    command = [str(BIN / "label-studio-ml"), "init", "coins", "--script", f"{MODEL}:OneshotModel"]
    subprocess.run(command, cwd=folder, env=settings, check=True, capture_output=True)
    server = processes.start(
        "label-studio-ml",
        [BIN / "python", folder / "coins/_wsgi.py", "--host", "127.0.0.1", "--port", str(port)],
        environment=settings,
    )
    url = f"http://127.0.0.1:{port}"
    server.wait_healthy(f"{url}/health", timeout_s=READY_TIMEOUT_S)
    return url


def test_from_one_mask_to_predictions_and_smart_tools(
    served: str, stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """One coin annotated, the other image predicted under the version that it names; then a click."""
    project = annotator.create_project(
        "label-studio-ml", label_config=(ROOT / "docs/label_config_smart.xml").read_text()
    )
    files = {f"{name}.png": coins[name].png() for name in ("coins-1", "coins-7")}
    first, second = annotator.upload(project, files)
    backend = annotator.connect(project, served)
    annotator.annotate(first, [brush_region(reference_mask(coins["coins-1"]))])

    row = stack.wait_for_tasks(project, [second])[second]

    assert row["state"] == "done"
    (prediction,) = annotator.predictions(project)
    masks = [region_mask(region) for region in prediction["result"]]
    assert min(matched_ious(masks, coins["coins-7"].masks)) > 0.8
    (listed,) = annotator.request("GET", f"/api/ml?project={project}")  # Label Studio asks /setup
    assert listed["model_version"] == prediction["model_version"] == stack.project(project)["model_version"]
    annotator.retrieve_predictions(project)  # has this version: not asked for, not stored twice
    assert len(annotator.predictions(project)) == 1

    settings = {"url": served, "project": project, "is_interactive": True}
    annotator.request("PATCH", f"/api/ml/{backend['id']}", json=settings)
    mask = coins["coins-1"].masks[2]
    rows, columns = mask.nonzero()
    value = {
        "x": columns.mean() / mask.shape[1] * 100, "y": rows.mean() / mask.shape[0] * 100, "width": 0.3,
        "keypointlabels": ["Coin"],
    }  # fmt: skip
    context = {"result": [{**POINT, "value": value}]}
    answer = annotator.request(
        "POST", f"/api/ml/{backend['id']}/interactive-annotating", json={"task": first, "context": context}
    )

    assert matched_ious([region_mask(region) for region in answer["data"]["result"]], [mask])[0] > 0.9
