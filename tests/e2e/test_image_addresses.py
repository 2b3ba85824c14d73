"""Images that were not uploaded: on Label Studio's disk, inside the task, on a server not to be asked."""

import base64
from pathlib import Path

import pytest

from backend.demo.coins import DemoImage, reference_mask
from tests.annotator import Annotator, brush_region
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]


def _serve_folder(annotator: Annotator, project: int, folder: Path) -> None:
    storage = {"project": project, "path": str(folder), "use_blob_urls": True}
    annotator.request("POST", "/api/storages/localfiles", json=storage)


def test_local_files_and_data_uris_are_predicted_and_private_servers_are_not_asked(
    stack: Stack,
    annotator: Annotator,
    coins: dict[str, DemoImage],
    local_files_root: Path,
) -> None:
    """The reference is a local file too. Label Studio itself is on a private address, and is asked."""
    project = annotator.create_project("Addresses")
    folder = local_files_root / "photographs"
    folder.mkdir()
    (folder / "first one.png").write_bytes(coins["coins-1"].png())
    (folder / "second.png").write_bytes(coins["coins-4"].png())
    _serve_folder(annotator, project, folder)
    inside = "data:image/png;base64," + base64.b64encode(coins["coins-4"].png()).decode()
    reference, local, inline, private = annotator.import_addresses(
        project,
        [
            "/data/local-files/?d=photographs/first%20one.png",
            "/data/local-files/?d=photographs/second.png",
            inside,
            f"{stack.url}/status",
        ],
    )
    annotator.connect(project, stack.url)

    annotator.annotate(reference, [brush_region(reference_mask(coins["coins-1"]))])
    rows = stack.wait_for_tasks(project, [local, inline, private])

    assert [rows[task]["state"] for task in (local, inline)] == ["done", "done"]
    assert rows[private]["state"] == "failed"
    assert "private" in rows[private]["reason"]
