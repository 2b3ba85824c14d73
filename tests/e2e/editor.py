"""Label Studio's editor in a real headless Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import FloatRect, Page, ViewportSize, sync_playwright
from scipy.ndimage import binary_erosion

from backend.demo.label_studio import LabelStudioServer

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
VIEW = ViewportSize(width=1400, height=900)
REGION_ROW = ".lsf-tree__node"
STROKE_SPACING = 6  # on the screen; the brush is wider


@contextmanager
def logged_in(chromium: str, label_studio: LabelStudioServer, *, view: ViewportSize = VIEW) -> Iterator[Page]:
    """A browser page of a user who has logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport=view)
        page.goto(f"{label_studio.url}/user/login/")
        page.fill("input[name=email]", label_studio.email)
        page.fill("input[name=password]", label_studio.password)
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "/user/login" not in url)
        yield page
        browser.close()


def open_task(page: Page, label_studio: LabelStudioServer, project: int, task: int) -> FloatRect:
    """Open a task as a click in the data manager does; where its image lies on the screen."""
    page.goto(f"{label_studio.url}/projects/{project}/data?task={task}")
    overlay = page.locator("canvas[class*=overlay]")
    overlay.wait_for(state="attached")
    page.wait_for_timeout(2000)  # the masks are decoded and drawn after the image has come
    box = overlay.bounding_box()
    assert box is not None
    return box


def paint(page: Page, box: FloatRect, mask: NDArray[np.bool_]) -> None:
    """Brush over *mask* line by line with the mouse, keeping half the brush's width from its edge."""
    mask = binary_erosion(mask, iterations=2)
    scale = box["height"] / mask.shape[0]
    for y in range(int(box["y"]), int(box["y"] + box["height"]), STROKE_SPACING):
        columns = np.flatnonzero(mask[int((y - box["y"]) / scale)])
        if len(columns):
            page.mouse.move(box["x"] + columns[0] * scale, y)
            page.mouse.down()
            page.mouse.move(box["x"] + columns[-1] * scale, y, steps=4)
            page.mouse.up()
