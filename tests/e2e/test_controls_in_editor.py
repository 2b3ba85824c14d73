"""Each kind of control, from a person's region to what the editor shows; the screenshots stay."""

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from backend.demo.coins import DemoImage, reference_mask
from backend.demo.label_studio import LabelStudioServer
from tests.annotator import Annotator, mask_to_rle
from tests.e2e.editor import REGION_ROW, open_task
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights, pytest.mark.browser]

Mask = NDArray[np.bool_]
REFERENCE, TEST = "coins-1", "coins-7"


def brush(mask: Mask) -> dict[str, Any]:
    return {"format": "rle", "rle": mask_to_rle(mask.astype(np.uint8) * 255)}


def bitmask(mask: Mask) -> dict[str, Any]:
    """A PNG whose opaque pixels are the mask."""
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask] = (200, 60, 60, 255)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"imageDataURL": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()}


def ellipse(mask: Mask) -> dict[str, Any]:
    box = rectangle(mask)
    radii = {"radiusX": box["width"] / 2, "radiusY": box["height"] / 2}
    return {"x": box["x"] + radii["radiusX"], "y": box["y"] + radii["radiusY"], **radii, "rotation": 0}


def rectangle(mask: Mask) -> dict[str, Any]:
    (top, left), (bottom, right) = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    height, width = mask.shape
    return {
        "x": float(100 * left / width),
        "y": float(100 * top / height),
        "width": float(100 * (right - left) / width),
        "height": float(100 * (bottom - top) / height),
        "rotation": 0,
    }


def polygon(mask: Mask) -> dict[str, Any]:
    """The ellipse's outline in 24 corners."""
    round_ = ellipse(mask)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    x, y = (
        round_["x"] + round_["radiusX"] * np.cos(angles),
        round_["y"] + round_["radiusY"] * np.sin(angles),
    )
    return {"points": np.stack([x, y], axis=1).tolist(), "closed": True}


CONTROLS: dict[str, tuple[str, str, Callable[[Mask], dict[str, Any]]]] = {
    "BrushLabels": ("BrushLabels", "brushlabels", brush),
    "BitmaskLabels": ("BitmaskLabels", "bitmasklabels", bitmask),
    "PolygonLabels": ("PolygonLabels", "polygonlabels", polygon),
    "RectangleLabels": ("RectangleLabels", "rectanglelabels", rectangle),
    "EllipseLabels": ("EllipseLabels", "ellipselabels", ellipse),
    "Labels with Brush": ("Brush", "brush", brush),
}


def label_config(tag: str) -> str:
    """One control on an image, with a choice beside it; a bare tag gets its labels from Labels."""
    label = '<Label value="Coin" background="#D4A017"/>'
    if tag.endswith("Labels"):
        control = f'<{tag} name="mask" toName="photo">{label}</{tag}>'
    else:
        control = f'<Labels name="what" toName="photo">{label}</Labels><{tag} name="mask" toName="photo"/>'
    choice = '<Choices name="kind" toName="photo"><Choice value="Sharp"/><Choice value="Blurred"/></Choices>'
    return f'<View><Image name="photo" value="$image"/>{control}{choice}</View>'


def regions(name: str, mask: Mask) -> list[dict[str, Any]]:
    """The mask as a person's editor sends it: with Labels, mask and label are two entries of one region."""
    tag, kind, value_of = CONTROLS[name]
    height, width = mask.shape
    common = {"id": "drawn1", "to_name": "photo", "original_width": width, "original_height": height}
    common |= {"image_rotation": 0}
    value = value_of(mask)
    if tag.endswith("Labels"):
        return [common | {"from_name": "mask", "type": kind, "value": value | {kind: ["Coin"]}}]
    return [
        common | {"from_name": "mask", "type": kind, "value": value},
        common | {"from_name": "what", "type": "labels", "value": value | {"labels": ["Coin"]}},
    ]


@pytest.fixture(scope="module")
def predicted(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> dict[str, tuple[int, int, dict[str, Any]]]:
    """A project for each control: its id, its second task, and what was predicted for it."""
    images = {f"{name}.png": coins[name].png() for name in (REFERENCE, TEST)}
    waiting = {}
    for name, (tag, _, _) in CONTROLS.items():
        project = annotator.create_project(name, label_config=label_config(tag))
        first, second = annotator.upload(project, images)
        annotator.connect(project, stack.url)
        annotator.annotate(first, regions(name, reference_mask(coins[REFERENCE])))
        waiting[name] = (project, second)
    found = {}
    for name, (project, second) in waiting.items():
        stack.wait_for_tasks(project, [second])
        (prediction,) = annotator.predictions(project)
        found[name] = (project, second, prediction)
    return found


@pytest.mark.parametrize("name", CONTROLS)
def test_the_editor_shows_every_predicted_coin_in_the_control_of_the_reference(
    page: Page,
    label_studio: LabelStudioServer,
    predicted: dict[str, tuple[int, int, dict[str, Any]]],
    coins: dict[str, DemoImage],
    artefacts: Path,
    name: str,
) -> None:
    project, task, prediction = predicted[name]
    drawn = {region["id"] for region in prediction["result"]}

    open_task(page, label_studio, project, task)
    page.screenshot(path=artefacts / f"control-{name.replace(' ', '-')}.png")

    assert {region["type"] for region in prediction["result"]} <= {CONTROLS[name][1], "labels"}
    assert len(drawn) == len(coins[TEST].masks)
    expect(page.locator(REGION_ROW)).to_have_count(len(drawn))
