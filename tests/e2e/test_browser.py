"""What the annotator sees and does, in a real headless Chromium; the screenshots stay in .artefacts/."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import FloatRect, Page, expect

from backend.demo.coins import DemoImage
from backend.demo.label_studio import LabelStudioServer
from tests.annotator import Annotator, region_mask
from tests.e2e.conftest import CoinProject
from tests.e2e.editor import REGION_ROW, open_task, paint
from tests.mask_matching import matched_ious
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights, pytest.mark.browser]

COLOURED = 25  # how far the channels of a pixel of the grey photographs differ under a mask


def coloured(screenshot: bytes, image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a screenshot of a grey image shows colour, at the size of the image, (H, W) bool."""
    height, width = image.shape[:2]
    shown = Image.open(BytesIO(screenshot)).convert("RGB").resize((width, height), Image.Resampling.BOX)
    channels = np.asarray(shown, dtype=np.int16)
    return np.asarray(channels.max(axis=-1) - channels.min(axis=-1) > COLOURED)


def rub_through(page: Page, box: FloatRect, mask: NDArray[np.bool_]) -> None:
    """Draw the mouse through the middle of *mask*, from side to side."""
    scale = box["height"] / mask.shape[0]
    rows, columns = np.nonzero(mask)
    y = box["y"] + rows.mean() * scale
    page.mouse.move(box["x"] + columns.min() * scale, y)
    page.mouse.down()
    page.mouse.move(box["x"] + columns.max() * scale, y, steps=10)
    page.mouse.up()


def test_the_predicted_masks_are_on_the_canvas(
    page: Page,
    label_studio: LabelStudioServer,
    annotator: Annotator,
    coin_project: CoinProject,
    coins: dict[str, DemoImage],
    artefacts: Path,
) -> None:
    """What shows in colour is what was predicted; and every mask is listed as a region."""
    task = coin_project.tasks["coins-2"]
    (prediction,) = [row for row in annotator.predictions(coin_project.id) if row["task"] == task]
    masks = [region_mask(region) for region in prediction["result"]]

    box = open_task(page, label_studio, coin_project.id, task)
    page.screenshot(path=artefacts / "task-predicted.png")
    seen = coloured(page.screenshot(clip=box), coins["coins-2"].image)

    expect(page.locator(REGION_ROW)).to_have_count(len(masks))
    assert matched_ious([seen], [np.any(masks, axis=0)])[0] > 0.9


def test_an_annotator_corrects_a_predicted_mask_and_submits(
    page: Page,
    label_studio: LabelStudioServer,
    annotator: Annotator,
    stack: Stack,
    coin_project: CoinProject,
    artefacts: Path,
) -> None:
    """Selected in the list, rubbed along its middle, submitted; and no new generation comes of it."""
    task, version = coin_project.tasks["coins-3"], stack.project(coin_project.id)["model_version"]
    (prediction,) = [row for row in annotator.predictions(coin_project.id) if row["task"] == task]
    box = open_task(page, label_studio, coin_project.id, task)

    masks = [region_mask(region) for region in prediction["result"]]
    chosen = int(np.argmin([np.nonzero(mask)[1].max() for mask in masks]))  # farthest from the tool bar
    page.locator(REGION_ROW).nth(chosen).click()
    page.get_by_label("eraser").click()
    rub_through(page, box, masks[chosen])
    page.screenshot(path=artefacts / "task-corrected.png")
    with page.expect_response(lambda response: f"/tasks/{task}/annotations" in response.url):
        page.get_by_label("Submit current annotation").click()

    (annotation,) = annotator.request("GET", f"/api/tasks/{task}/annotations/")
    after = [region_mask(region) for region in annotation["result"]]
    changed = [index for index, mask in enumerate(masks) if not np.array_equal(mask, after[index])]
    assert annotation["parent_prediction"] == prediction["id"]
    assert changed == [chosen]
    assert np.count_nonzero(after[chosen]) < np.count_nonzero(masks[chosen])
    stack.wait_until_idle()
    assert stack.project(coin_project.id)["model_version"] == version


def test_bare_background_opens_without_masks(
    page: Page, label_studio: LabelStudioServer, coin_project: CoinProject, artefacts: Path
) -> None:
    open_task(page, label_studio, coin_project.id, coin_project.tasks["coins-8"])
    page.screenshot(path=artefacts / "task-without-instances.png")

    expect(page.locator(REGION_ROW)).to_have_count(0)


def test_a_mask_painted_with_the_mouse_is_a_reference(
    page: Page,
    label_studio: LabelStudioServer,
    annotator: Annotator,
    stack: Stack,
    coins: dict[str, DemoImage],
    artefacts: Path,
) -> None:
    """The whole job as a person does it; strokes have soft edges and gaps."""
    image = coins["coins-1"]
    project = annotator.create_project("Painted by mouse")
    first, second = annotator.upload(
        project, {"first.png": image.png(), "second.png": coins["coins-7"].png()}
    )
    annotator.connect(project, stack.url)
    box = open_task(page, label_studio, project, first)

    page.get_by_label("brush-tool").click()
    page.keyboard.press("1")
    paint(page, box, image.masks[2])  # no tool bar hides it
    page.screenshot(path=artefacts / "task-painted.png")
    with page.expect_response(lambda response: f"/tasks/{first}/annotations" in response.url):
        page.get_by_label("Submit current annotation").click()

    assert stack.wait_for_tasks(project, [second])[second]["instances"] == len(coins["coins-7"].masks)
    (prediction,) = annotator.predictions(project)
    masks = [region_mask(region) for region in prediction["result"]]
    assert min(matched_ious(masks, coins["coins-7"].masks)) > 0.8


def test_the_data_manager_shows_the_predictions(
    page: Page, label_studio: LabelStudioServer, coin_project: CoinProject, artefacts: Path
) -> None:
    page.goto(f"{label_studio.url}/projects/{coin_project.id}/data")
    page.get_by_text("Coins of Pompeii").first.wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=artefacts / "data-manager.png")


def test_the_status_page_is_readable(
    page: Page, stack: Stack, coin_project: CoinProject, artefacts: Path
) -> None:
    version = stack.project(coin_project.id)["model_version"]

    page.goto(f"{stack.url}/status")
    page.screenshot(path=artefacts / "status.png", full_page=True)

    expect(page.get_by_text(version).first).to_be_visible()
