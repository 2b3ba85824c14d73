"""Tasks with a left and a right image in the real Label Studio: a mask on each, predictions, a correction.

The right one stands in a list in the task's data. The networks see nothing but colour, so that a reader can
tell what is to be found; all else is real.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from playwright.sync_api import expect

from backend.cli.main import main
from backend.demo.label_studio import LabelStudioServer
from tests.annotator import brush_region, region_mask
from tests.colour_sam import box_mask
from tests.e2e.editor import REGION_ROW, logged_in
from tests.integration.colour_project import ColourProject, Things, colour_project, coloured_png
from tests.stack import Stack

pytestmark = pytest.mark.label_studio
SIZES_HW = {"left": (40, 64), "right": (64, 48)}
LABEL_CONFIG = """<View>
  <Image name="left" value="$left"/>
  <BrushLabels name="left-brush" toName="left"><Label value="Coin"/></BrushLabels>
  <Image name="right" value="$more[0].url"/>
  <BrushLabels name="right-brush" toName="right"><Label value="Coin"/><Label value="Nut"/></BrushLabels>
</View>"""
TASKS: list[dict[str, Things]] = [
    {"left": {"Coin": (4, 4, 16, 20)}, "right": {"Nut": (40, 8, 20, 16)}},
    {"left": {"Coin": (20, 36, 16, 20), "Nut": (2, 4, 16, 20)}, "right": {"Coin": (8, 20, 16, 20)}},
    {"left": {"Nut": (2, 4, 16, 20)}, "right": {"Coin": (4, 4, 16, 20), "Nut": (36, 20, 20, 16)}},
    {"left": {"Coin": (12, 12, 16, 20)}},
]


def mask(name: str, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """The mask of a thing on a left or right image."""
    return box_mask(*box, size_hw=SIZES_HW[name])


def painted(name: str, label: str, box: tuple[int, int, int, int], **extra: Any) -> dict[str, Any]:
    """A person's region."""
    where = {"from_name": f"{name}-brush", "to_name": name}
    return brush_region(mask(name, box), label=label, region_id=f"{name}-{label}", **where, **extra)


@pytest.fixture(scope="module")
def web(start_web: Callable[..., Stack]) -> Stack:
    """A web process on a queue of its own."""
    return start_web("several-images")


@pytest.fixture(scope="module")
def pairs(web: Stack, label_studio: LabelStudioServer, local_files_root: Path) -> Iterator[ColourProject]:
    """The first task's left coin and right nut are painted, and the worker has predicted the others.

    The right image of the last task is gone.
    """
    folder = local_files_root / "pairs"
    folder.mkdir()
    data = []
    for number, images in enumerate(TASKS, start=1):
        for name, things in images.items():
            (folder / f"{number}-{name}.png").write_bytes(coloured_png(things, SIZES_HW[name]))
        left, right = (f"/data/local-files/?d=pairs/{number}-{name}.png" for name in SIZES_HW)
        data.append({"left": left, "more": [{"url": right}]})
    with colour_project(
        *("Pairs", LABEL_CONFIG, data), folder=folder, web=web, label_studio=label_studio
    ) as made:
        boxes = TASKS[0]
        made.annotator.annotate(
            made.tasks[0],
            [painted("left", "Coin", boxes["left"]["Coin"]), painted("right", "Nut", boxes["right"]["Nut"])],
        )
        made.run_until(lambda: len(made.predictions()) == len(TASKS) - 1)
        yield made


def test_from_a_mask_on_each_image_to_predictions_on_both_and_to_what_was_corrected(
    pairs: ColourProject, web: Stack, label_studio: LabelStudioServer, tmp_path: Path
) -> None:
    """The coin painted on the left is found on both; the nut only on the right, whose control offers it.

    Then somebody deletes the coin that was predicted on the right of task 2, and paints a nut there.
    """
    predictions = pairs.predictions()
    rows = web.tasks(pairs.id)
    (kept, deleted) = predictions[2][0]["result"]
    added = painted("right", "Nut", (40, 4, 16, 20))
    pairs.annotator.annotate(pairs.tasks[1], [kept, added], parent_prediction=predictions[2][0]["id"])
    pairs.run_until(lambda: web.project(pairs.id)["learning"]["agreement"])
    exported = report(pairs, label_studio, tmp_path)

    assert {task: len(some) for task, some in predictions.items()} == {2: 1, 3: 1, 4: 1}
    assert [found(predictions[task][0]) for task in (2, 3, 4)] == [
        {("left", "Coin"), ("right", "Coin")},
        {("right", "Coin"), ("right", "Nut")},
        {("left", "Coin")},
    ]
    for task in (2, 3, 4):
        check_masks(task, predictions[task][0])
    assert [rows[task]["instances"] for task in pairs.tasks[1:]] == [2, 2, 1]
    assert [rows[task]["reason"] for task in pairs.tasks[1:3]] == [None, None]
    assert rows[pairs.tasks[3]]["reason"].startswith("predicted without 'right' (")
    assert deleted["to_name"] == "right"
    (agreement,) = web.project(pairs.id)["learning"]["agreement"]
    told = {name: agreement["overall"][name] for name in ("kept", "redrawn", "deleted", "added")}
    assert told == {"kept": 1, "redrawn": 0, "deleted": 1, "added": 1}
    assert [(each["file_name"][-11:], each["height"], each["width"]) for each in exported["images"]] == [
        ("/2-left.png", 40, 64),
        ("2-right.png", 64, 48),
    ]
    assert [each["bbox"] for each in exported["annotations"]] == [[36, 20, 20, 16], [4, 40, 20, 16]]


@pytest.mark.browser
def test_the_editor_shows_the_regions_of_both_images(
    pairs: ColourProject, chromium: str, label_studio: LabelStudioServer, artefacts: Path
) -> None:
    """Of task 3: a coin and a nut on the right; the left image beside it has none."""
    with logged_in(chromium, label_studio) as page:
        page.goto(f"{label_studio.url}/projects/{pairs.id}/data?task={pairs.tasks[2]}")
        expect(page.locator(REGION_ROW)).to_have_count(2, timeout=30_000)
        expect(page.locator("canvas[class*=overlay]")).to_have_count(2)
        page.wait_for_timeout(2000)  # the masks are decoded and drawn after the images have come
        page.screenshot(path=artefacts / "several-images.png")


def found(prediction: dict[str, Any]) -> set[tuple[str, str]]:
    """Image and label of each region."""
    return {(each["to_name"], each["value"]["brushlabels"][0]) for each in prediction["result"]}


def check_masks(task: int, prediction: dict[str, Any]) -> None:
    """Each region is in its image's control, of its image's size, and on the thing to the pixel."""
    for each in prediction["result"]:
        name, (label,) = each["to_name"], each["value"]["brushlabels"]
        assert each["from_name"] == f"{name}-brush"
        assert (each["original_height"], each["original_width"]) == SIZES_HW[name]
        assert np.array_equal(region_mask(each), mask(name, TASKS[task - 1][name][label]))


def report(pairs: ColourProject, label_studio: LabelStudioServer, folder: Path) -> Any:
    """What ``oneshot report`` exports of the corrected task."""
    file = folder / "reviewed.json"
    settings = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.token}
    result = CliRunner(env=settings).invoke(main, ["report", "--project", str(pairs.id), "--coco", str(file)])
    assert result.exit_code == 0, result.output
    return json.loads(file.read_text())
