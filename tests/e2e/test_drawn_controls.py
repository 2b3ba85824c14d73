"""A coin drawn with the mouse in each kind of control: what the editor itself writes becomes a reference."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import FloatRect, Page, expect

from backend.demo.coins import DemoImage
from backend.demo.label_studio import LabelStudioServer
from tests.annotator import Annotator
from tests.e2e.editor import REGION_ROW, open_task, paint
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights, pytest.mark.browser]

REFERENCE, TEST = "coins-1", "coins-7"
CHOSEN = 2  # the coin of the reference that no tool bar hides
Draw = Callable[[Page, FloatRect, NDArray[np.bool_]], None]


def drag(page: Page, box: FloatRect, mask: NDArray[np.bool_]) -> None:
    """From one corner of the mask's bounding box to the other, as rectangles are drawn."""
    (left, top), (right, bottom) = corners(box, mask)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=8)
    page.mouse.up()


def drag_from_the_middle(page: Page, box: FloatRect, mask: NDArray[np.bool_]) -> None:
    """From the middle of the mask's bounding box to a corner, as ellipses are drawn."""
    (left, top), (right, bottom) = corners(box, mask)
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=8)
    page.mouse.up()


def click_around(page: Page, box: FloatRect, mask: NDArray[np.bool_]) -> None:
    """A click on each of twelve corners, and one more on the first."""
    (left, top), (right, bottom) = corners(box, mask)
    for angle in np.linspace(0, 2 * np.pi, 13):
        page.mouse.click(
            (left + right) / 2 + np.cos(angle) * (right - left) / 2,
            (top + bottom) / 2 + np.sin(angle) * (bottom - top) / 2,
        )
        page.wait_for_timeout(350)  # two quick clicks would be a double click


def corners(box: FloatRect, mask: NDArray[np.bool_]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the mask's bounding box on the screen: left and top, right and bottom."""
    scale = box["height"] / mask.shape[0]
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    return (box["x"] + left * scale, box["y"] + top * scale), (
        box["x"] + right * scale,
        box["y"] + bottom * scale,
    )


@dataclass(frozen=True)
class Way:
    """One way to set a project up.

    Attributes:
        control: the part of the label config beside the image.
        tool: the editor's button for it; empty: the label chooses it.
        draw: how a person goes over a mask with it.
        types: the types of the predicted regions.
        written: what stands as the label in them.
        shown: what the editor calls it.
        data: of each task, beside its image.
    """

    control: str
    tool: str
    draw: Draw
    types: frozenset[str]
    written: str = "Coin"
    shown: str = "Coin"
    data: dict[str, Any] = field(default_factory=dict)


def with_labels(tag: str) -> str:
    return f'<Labels name="what" toName="photo">{COIN}</Labels><{tag} name="mask" toName="photo"/>'


COIN = '<Label value="Coin" background="#D4A017"/>'
WAYS = {
    "Labels with Rectangle": Way(
        with_labels("Rectangle"), "rectangle-tool", drag, frozenset({"rectangle", "labels"})
    ),
    "Labels with Ellipse": Way(
        with_labels("Ellipse"), "ellipse-tool", drag_from_the_middle, frozenset({"ellipse", "labels"})
    ),
    "Labels with Polygon": Way(
        with_labels("Polygon"), "polygon-tool", click_around, frozenset({"polygon", "labels"})
    ),
    "a label with an alias": Way(
        '<BrushLabels name="mask" toName="photo">'
        '<Label value="Coin of Pompeii" alias="coin-1" background="#D4A017"/></BrushLabels>',
        "brush-tool",
        paint,
        frozenset({"brushlabels"}),
        written="coin-1",
        shown="Coin of Pompeii",
    ),
    "labels from the task": Way(
        '<BrushLabels name="mask" toName="photo" value="$kinds"/>',
        "brush-tool",
        paint,
        frozenset({"brushlabels"}),
        written="Sestertius",
        shown="Sestertius",
        data={"kinds": [{"value": "Sestertius", "background": "#D4A017"}]},
    ),
    "labels with aliases from the task": Way(
        '<PolygonLabels name="mask" toName="photo" value="$kinds"/>',
        "",
        click_around,
        frozenset({"polygonlabels"}),
        written="c1",
        shown="Sestertius",
        data={"kinds": [{"value": "Sestertius", "alias": "c1", "background": "#D4A017"}]},
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_what_is_drawn_in_the_editor_is_a_reference(
    page: Page,
    label_studio: LabelStudioServer,
    annotator: Annotator,
    stack: Stack,
    coins: dict[str, DemoImage],
    artefacts: Path,
    name: str,
) -> None:
    """The other image is predicted in the same control, under the same label, and the editor shows it."""
    way = WAYS[name]
    config = f'<View><Image name="photo" value="$image"/>{way.control}</View>'
    project = annotator.create_project(f"Drawn: {name}", label_config=config)
    images = [
        "data:image/png;base64," + base64.b64encode(coins[each].png()).decode() for each in (REFERENCE, TEST)
    ]
    first, second = annotator.import_tasks(project, [{"image": image} | way.data for image in images])
    annotator.connect(project, stack.url)

    box = open_task(page, label_studio, project, first)
    if way.tool:
        page.get_by_label(way.tool).first.click()
    page.keyboard.press("1")
    way.draw(page, box, coins[REFERENCE].masks[CHOSEN])
    expect(page.locator(REGION_ROW)).to_have_count(1)
    with page.expect_response(lambda response: f"/tasks/{first}/annotations" in response.url):
        page.get_by_label("Submit current annotation").click()
    row = stack.wait_for_tasks(project, [second])[second]
    open_task(page, label_studio, project, second)
    page.screenshot(path=artefacts / f"drawn-{name.replace(' ', '-')}.png")

    assert row["state"] == "done", row
    (prediction,) = annotator.predictions(project)
    assert {region["type"] for region in prediction["result"]} == way.types
    labels = [region["value"][region["type"]] for region in prediction["result"] if "label" in region["type"]]
    assert labels == [[way.written]] * len(coins[TEST].masks)
    expect(page.locator(REGION_ROW)).to_contain_text([way.shown] * len(labels))
