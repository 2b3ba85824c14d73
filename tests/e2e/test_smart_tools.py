"""Smart tools in the real editor: somebody points at a coin, and its mask appears. The screenshots stay."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import FloatRect, Page, ViewportSize, expect

from backend.demo.coins import DemoImage
from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import Processes, free_port
from tests.annotator import Annotator, brush_region, region_mask
from tests.e2e.editor import REGION_ROW, logged_in, open_task
from tests.mask_matching import matched_ious
from tests.stack import READY_TIMEOUT_S, Stack, start_web

pytestmark = [pytest.mark.label_studio, pytest.mark.weights, pytest.mark.browser]

SMART = (Path(__file__).parents[2] / "docs/label_config_smart.xml").read_text()
AUTO_ANNOTATION, AUTO_ACCEPT = "bottombar-auto-annotation-toggle", "bottombar-auto-accept-toggle"
KEY_POINT, RECTANGLE = "key-point-tool", "rectangle-tool"
LABEL_KEYS = {KEY_POINT: "2", RECTANGLE: "3"}  # in the order of the label config; 1 is the brush's
SMART_TOOLS = 3  # rectangles come in two ways
CHOSEN = 2  # the coin of the first image that no tool bar hides


@pytest.fixture(name="page", scope="module")
def _page(chromium: str, label_studio: LabelStudioServer) -> Iterator[Page]:
    """A browser page of a user who has logged in; high enough for image and labels."""
    with logged_in(chromium, label_studio, view=ViewportSize(width=1400, height=1300)) as page:
        yield page


@pytest.fixture(name="patient", scope="module")
def _patient(
    stack: Stack, environment: Callable[..., dict[str, str]], processes: Processes
) -> Callable[..., str]:
    """Starts a web process on the stack's queue that waits long for its worker; its address."""
    stack.wait_for(lambda: bool(stack.status()["workers"]), what="the worker has loaded its models")

    def start(name: str, **settings: str) -> str:
        changed = environment(redis_url=stack.redis_url, oneshot_interactive_s="60", **settings)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        web = start_web(processes, changed, name=name, port=port)
        web.wait_healthy(f"{url}/health", timeout_s=READY_TIMEOUT_S)
        return url

    return start


@pytest.fixture(name="web_url", scope="module")
def _web_url(patient: Callable[..., str]) -> str:
    """A web process with the usual answers."""
    return patient("smart")


@pytest.fixture(name="smart_project", scope="module")
def _smart_project(
    annotator: Annotator, web_url: str, coins: dict[str, DemoImage]
) -> Callable[..., tuple[dict[str, Any], list[int]]]:
    """Makes a project of two images whose editor offers smart tools; its ML backend, and its tasks."""

    def make(title: str, *, url: str = web_url) -> tuple[dict[str, Any], list[int]]:
        project = annotator.create_project(title, label_config=SMART)
        tasks = annotator.upload(
            project, {f"{name}.png": coins[name].png() for name in ("coins-1", "coins-7")}
        )
        backend = annotator.connect(project, url)
        settings = {"url": url, "project": project, "is_interactive": True}
        return annotator.request("PATCH", f"/api/ml/{backend['id']}", json=settings), tasks

    return make


def switch(page: Page, toggle: str, *, on: bool) -> None:
    box = page.get_by_test_id(toggle)
    box.wait_for(state="attached", timeout=90_000)  # the editor opens slowly on a busy machine
    box.set_checked(on, force=True)


def choose(page: Page, tool: str) -> None:
    """Take a smart tool, which each click on their button changes, then its label."""
    for _ in range(SMART_TOOLS):
        page.locator(".lsf-toolbar button.lsf-tool_smart").first.click()
        if page.locator(f"button.lsf-tool_active[aria-label={tool}]").count():
            break
    page.mouse.move(5, 5)  # the button's menu closes
    page.keyboard.press(LABEL_KEYS[tool])


def answered(page: Page, act: Callable[[], None]) -> float:
    """Do what makes the editor ask, and wait for the answer; the seconds it took."""
    started = time.monotonic()
    with page.expect_response(lambda response: "interactive-annotating" in response.url) as response:
        act()
    assert response.value.json()["data"]["result"], response.value.text()
    return time.monotonic() - started


def middle(box: FloatRect, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Where the middle of a mask is on the screen, (x, y)."""
    y, x = (each.mean() * box["height"] / mask.shape[0] for each in np.nonzero(mask))
    return box["x"] + x, box["y"] + y


def test_a_mask_made_with_smart_tools_is_a_reference(
    page: Page,
    label_studio: LabelStudioServer,
    annotator: Annotator,
    stack: Stack,
    coins: dict[str, DemoImage],
    smart_project: Callable[..., tuple[dict[str, Any], list[int]]],
    artefacts: Path,
) -> None:
    """A click on one coin, a box around another; submitted, and the other image is predicted."""
    backend, (first, second) = smart_project("Smart tools")
    box = open_task(page, label_studio, backend["project"], first)
    switch(page, AUTO_ANNOTATION, on=True)
    switch(page, AUTO_ACCEPT, on=True)
    masks = coins["coins-1"].masks
    rows, columns = np.nonzero(masks[0])
    scale = box["height"] / masks[0].shape[0]

    def draw_box() -> None:
        page.mouse.move(box["x"] + (columns.min() - 3) * scale, box["y"] + (rows.min() - 3) * scale)
        page.mouse.down()
        page.mouse.move(box["x"] + (columns.max() + 4) * scale, box["y"] + (rows.max() + 4) * scale, steps=6)
        page.mouse.up()

    choose(page, KEY_POINT)
    clicked_s = answered(page, lambda: page.mouse.click(*middle(box, masks[CHOSEN])))
    expect(page.locator(REGION_ROW)).to_have_count(1)
    choose(page, RECTANGLE)
    drawn_s = answered(page, draw_box)
    expect(page.locator(REGION_ROW)).to_have_count(2)
    page.screenshot(path=artefacts / "smart-tools.png")
    print(f"click: {clicked_s:.2f} s with the image embedded first, box: {drawn_s:.2f} s")  # noqa: T201
    with page.expect_response(lambda response: f"/tasks/{first}/annotations" in response.url):
        page.get_by_label("Submit current annotation").click()

    (annotation,) = annotator.request("GET", f"/api/tasks/{first}/annotations/")
    assert [region["type"] for region in annotation["result"]] == ["brushlabels"] * 2
    found = [region_mask(region) for region in annotation["result"]]
    assert min(matched_ious(found, [masks[CHOSEN], masks[0]])) > 0.9
    assert stack.wait_for_tasks(backend["project"], [second])[second]["state"] == "done"


def test_more_clicks_refine_a_mask_before_it_is_accepted(
    page: Page,
    label_studio: LabelStudioServer,
    coins: dict[str, DemoImage],
    smart_project: Callable[..., tuple[dict[str, Any], list[int]]],
    artefacts: Path,
) -> None:
    """With Alt held, a click says what does not belong to the thing; both clicks are sent."""
    backend, (first, _) = smart_project("Smart tools, refined")
    box = open_task(page, label_studio, backend["project"], first)
    switch(page, AUTO_ANNOTATION, on=True)
    switch(page, AUTO_ACCEPT, on=False)
    x, y = middle(box, coins["coins-1"].masks[CHOSEN])
    choose(page, KEY_POINT)
    answered(page, lambda: page.mouse.click(x, y))

    page.keyboard.press(LABEL_KEYS[KEY_POINT])
    with page.expect_request(lambda request: "interactive-annotating" in request.url) as asked:
        page.keyboard.down("Alt")
        answered(page, lambda: page.mouse.click(x - 200, y))
        page.keyboard.up("Alt")
    page.get_by_text("1 suggestion").wait_for()
    page.screenshot(path=artefacts / "smart-tools-suggestion.png")

    body: Any = asked.value.post_data_json
    regions = body["context"]["result"]
    assert [region["is_positive"] for region in regions] == [True, False]
    page.get_by_test_id("bottombar-accept-suggestions-button").click()
    expect(page.locator(REGION_ROW)).to_have_count(1)  # the clicks are gone, the mask is there


def test_one_stroke_brings_all_that_looks_alike(
    annotator: Annotator,
    patient: Callable[..., str],
    coins: dict[str, DemoImage],
    smart_project: Callable[..., tuple[dict[str, Any], list[int]]],
) -> None:
    """By Label Studio's API: the editor of 1.23.2 does not send what its smart brush paints."""
    url = patient("similar", oneshot_interactive="similar")
    backend, (first, _) = smart_project("Smart tools, similar", url=url)
    masks = coins["coins-1"].masks
    rows, columns = np.nonzero(masks[0])
    stroke = np.zeros_like(masks[0])
    stroke[int(rows.mean()) - 1 : int(rows.mean()) + 2, int(columns.mean()) - 8 : int(columns.mean()) + 9] = (
        True
    )

    answer = annotator.request(
        "POST",
        f"/api/ml/{backend['id']}/interactive-annotating",
        json={"task": first, "context": {"result": [brush_region(stroke)]}},
    )

    regions = answer["data"]["result"]
    found = [region_mask(region) for region in regions]
    assert [region["origin"] for region in regions] == ["manual"] + ["prediction"] * (len(masks) - 1)
    assert matched_ious(found[:1], [masks[0]])[0] > 0.9
    assert min(matched_ious(found, masks)) > 0.8
