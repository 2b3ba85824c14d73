"""One bad image fails alone, a bad reference is passed over, and the status page says why."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from backend.demo.coins import DemoImage, reference_mask
from tests.annotator import LABEL_CONFIG, Annotator, brush_region
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
REASONS = {
    "truncated.png": "truncated|broken|damaged",
    "wide.png": "20000|20,000",
    "vector.svg": "SVG",
    "text.png": "got a text file",
    "gone": "404|gone|not found|no such",
}


def png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_bad_images_fail_alone_with_their_reasons(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """The image after each bad one gets its prediction, although a job takes several."""
    good = coins["coins-4"].png()
    files = {
        "reference.png": coins["coins-1"].png(),
        "truncated.png": good[: len(good) // 2],
        "wide.png": png(np.zeros((10, 20_000, 3), np.uint8)),
        "vector.svg": SVG,
        "text.png": b"this is a text file",
        "good.png": good,
    }
    project = annotator.create_project("Bad images")
    tasks = dict(zip(files, annotator.upload(project, files), strict=True))
    (tasks["gone"],) = annotator.import_addresses(project, [f"/data/upload/{project}/gone.png"])
    annotator.connect(project, stack.url)

    reference = tasks.pop("reference.png")
    annotator.annotate(reference, [brush_region(reference_mask(coins["coins-1"]))])
    rows = stack.wait_for_tasks(project, list(tasks.values()))

    assert rows[tasks["good.png"]]["state"] == "done"
    assert [row["task"] for row in annotator.predictions(project)] == [tasks["good.png"]]
    for name, expected in REASONS.items():
        row = rows[tasks[name]]
        assert row["state"] == "failed", name
        assert any(word in row["reason"] for word in expected.split("|")), (name, row["reason"])


@pytest.mark.parametrize(
    ("name", "image", "mask_size_hw"),
    [
        pytest.param("text.png", b"this is a text file", (84, 240), id="no image"),
        pytest.param("small.png", png(np.zeros((40, 60, 3), np.uint8)), (84, 240), id="mask of another size"),
    ],
)
def test_an_annotation_that_cannot_serve_is_passed_over(
    stack: Stack,
    annotator: Annotator,
    coins: dict[str, DemoImage],
    name: str,
    image: bytes,
    mask_size_hw: tuple[int, int],
) -> None:
    """First the reason is told; then the next annotation, of a good image, serves."""
    project = annotator.create_project(f"Bad reference {name}")
    bad, good, waiting = annotator.upload(
        project, {name: image, "good.png": coins["coins-1"].png(), "waiting.png": coins["coins-4"].png()}
    )
    annotator.connect(project, stack.url)
    mask = np.zeros(mask_size_hw, bool)
    mask[20:50, 20:50] = True

    annotator.annotate(bad, [brush_region(mask)])
    stack.wait_for(lambda: bool(stack.project(project).get("reason")), what="a reason")
    reason = stack.project(project)["reason"]
    annotator.annotate(good, [brush_region(reference_mask(coins["coins-1"]))])

    assert f"task {bad}" in reason
    assert stack.wait_for_tasks(project, [waiting])[waiting]["state"] == "done"


def test_an_empty_mask_is_no_reference(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    project = annotator.create_project("Empty mask")
    (task,) = annotator.upload(project, {"first.png": coins["coins-1"].png()})
    annotator.connect(project, stack.url)

    annotator.annotate(task, [brush_region(np.zeros_like(coins["coins-1"].masks[0]))])
    stack.wait_for(lambda: bool(stack.project(project).get("reason")), what="a reason")
    stack.wait_until_idle()

    assert stack.project(project)["references"] == []


def test_a_config_without_brush_labels_says_so(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    config = LABEL_CONFIG.replace("BrushLabels", "KeyPointLabels")
    project = annotator.create_project("Rectangles", label_config=config)
    annotator.upload(project, {"first.png": coins["coins-1"].png()})

    annotator.connect(project, stack.url)
    stack.wait_for(lambda: bool(stack.project(project).get("reason")), what="a reason")

    assert "KeyPointLabels" in stack.project(project)["reason"]
    assert "BrushLabels" in stack.project(project)["reason"]
