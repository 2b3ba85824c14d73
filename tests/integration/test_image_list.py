"""Tasks with a list of images in one Image of the real Label Studio: masks, predictions, the editor.

The images are of different sizes, and each list has a length of its own. The networks see nothing but colour,
so that a reader can tell what is to be found; all else is real.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from playwright.sync_api import Page, ViewportSize, expect

from backend.cli.main import main
from backend.demo.label_studio import LabelStudioServer
from backend.worker.learning_options import LearningOptions
from tests.annotator import brush_region, region_mask
from tests.colour_sam import box_mask
from tests.e2e.editor import REGION_ROW, logged_in, open_task
from tests.integration.colour_project import ColourProject, Things, colour_project, coloured_png
from tests.stack import Stack

pytestmark = pytest.mark.label_studio
SIZES_HW = [(40, 64), (64, 48), (48, 48)]  # of the first page, the second and the third
LABEL_CONFIG = """<View>
  <Image name="pages" valueList="$pages"/>
  <BrushLabels name="brush" toName="pages" smart="false">
    <Label value="Coin" background="#FFD700"/><Label value="Nut" background="#FF00FF"/>
  </BrushLabels>
  <KeyPointLabels name="point" toName="pages" smart="true" smartOnly="true">
    <Label value="Coin"/>
  </KeyPointLabels>
</View>"""
TASKS: list[list[Things]] = [
    [{"Coin": (4, 4, 16, 20)}, {"Nut": (40, 8, 20, 16), "Coin": (8, 20, 16, 20)}],
    [{"Nut": (20, 36, 16, 20)}, {"Coin": (8, 20, 16, 20), "Nut": (40, 4, 20, 16)}, {"Coin": (24, 4, 20, 16)}],
    [{"Coin": (12, 12, 16, 20)}, {"Coin": (36, 20, 16, 20)}, {}],
    [{"Coin": (4, 36, 16, 20)}, {"Nut": (4, 4, 16, 20)}],
    [],
]
GONE = "4-2.png"
NEXT_PAGE = ".lsf-pagination__btn_arrow-right"


def mask(item: int, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """The mask of a thing on a page."""
    return box_mask(*box, size_hw=SIZES_HW[item])


def painted(item: int, label: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """A person's region."""
    where = {"from_name": "brush", "to_name": "pages", "item_index": item}
    return brush_region(mask(item, box), label=label, region_id=f"{label}-on-{item}", **where)


@pytest.fixture(scope="module")
def web(start_web: Callable[..., Stack]) -> Stack:
    """A web process on a queue of its own, which waits long for the worker."""
    return start_web("image-list", oneshot_interactive_s="60")


@pytest.fixture(scope="module")
def lists(web: Stack, label_studio: LabelStudioServer, local_files_root: Path) -> Iterator[ColourProject]:
    """The first task's first coin and its nut are painted, and the worker has predicted the others.

    It learns nothing from reviews: nobody can tell the networks of this test how to draw better.
    """
    folder = local_files_root / "lists"
    folder.mkdir()
    data = []
    for number, pages in enumerate(TASKS, start=1):
        names = [f"{number}-{item + 1}.png" for item in range(len(pages))]
        for item, name in enumerate(names):
            if name != GONE:
                (folder / name).write_bytes(coloured_png(pages[item], SIZES_HW[item]))
        data.append({"pages": [f"/data/local-files/?d=lists/{name}" for name in names]})
    with colour_project(
        *("Lists", LABEL_CONFIG, data), folder=folder, web=web, label_studio=label_studio
    ) as made:
        first, second = TASKS[0]
        regions = [painted(0, "Coin", first["Coin"]), painted(1, "Nut", second["Nut"])]
        made.annotator.annotate(made.tasks[0], regions)
        made.context = replace(made.context, learning=LearningOptions(mode="manual"))
        made.run_until(lambda: len(made.predictions()) == 3)
        yield made


def test_from_masks_on_pages_to_predictions_on_all_pages_and_to_what_was_corrected(
    lists: ColourProject, web: Stack, label_studio: LabelStudioServer, tmp_path: Path
) -> None:
    """Of the second task somebody deletes the nut on the second page, and paints a coin on the third."""
    predictions = lists.predictions()
    rows = web.tasks(lists.id)
    found = {task: check_masks(task, some) for task, (some,) in predictions.items()}
    second = predictions[2][0]["result"]
    kept = [each for each in second if (each["item_index"], label_of(each)) != (1, "Nut")]
    added = painted(2, "Coin", (0, 28, 16, 20))
    lists.annotator.annotate(lists.tasks[1], [*kept, added], parent_prediction=predictions[2][0]["id"])
    lists.context.queue.enqueue_sync(lists.id)  # a review alone asks for one only after a while
    lists.run_until(lambda: web.project(lists.id)["learning"]["agreement"])
    exported = report(lists, label_studio, tmp_path)

    assert found == {
        2: [(0, "Nut"), (1, "Coin"), (1, "Nut"), (2, "Coin")],
        3: [(0, "Coin"), (1, "Coin")],
        4: [(0, "Coin")],
    }
    assert [rows[task]["instances"] for task in lists.tasks[1:4]] == [4, 2, 1]
    assert [rows[task]["reason"] for task in lists.tasks[1:3]] == [None, None]
    assert rows[lists.tasks[3]]["reason"].startswith("predicted without image 2 of 'pages' (")
    assert rows[lists.tasks[4]]["state"] == "failed"
    assert "expected a list of images' addresses under 'pages'" in rows[lists.tasks[4]]["reason"]
    (agreement,) = web.project(lists.id)["learning"]["agreement"]
    told = {name: agreement["overall"][name] for name in ("kept", "redrawn", "deleted", "added")}
    assert told == {"kept": 3, "redrawn": 0, "deleted": 1, "added": 1}
    assert [(each["file_name"][-7:], each["height"], each["width"]) for each in exported["images"]] == [
        (f"2-{item + 1}.png", *size_hw) for item, size_hw in enumerate(SIZES_HW)
    ]
    by_image = {image["id"]: image["file_name"][-5] for image in exported["images"]}
    assert [(by_image[each["image_id"]], each["bbox"]) for each in exported["annotations"]] == [
        ("1", [36, 20, 20, 16]),
        ("2", [20, 8, 20, 16]),
        ("3", [4, 24, 16, 20]),
        ("3", [28, 0, 20, 16]),
    ]


@pytest.mark.browser
def test_the_editor_shows_each_pages_regions_on_it_and_submits_them_as_they_were(
    lists: ColourProject, chromium: str, label_studio: LabelStudioServer, artefacts: Path
) -> None:
    """Of the third task: a coin on each of the first two pages, and none on the third."""
    task = lists.tasks[2]
    with logged_in(chromium, label_studio) as page:
        open_task(page, label_studio, lists.id, task)
        expect(page.locator(REGION_ROW)).to_have_count(2, timeout=30_000)
        page.screenshot(path=artefacts / "image-list-1.png")
        shown = [shown_regions(page)]
        for item in (1, 2):
            page.locator(NEXT_PAGE).first.click()
            page.wait_for_timeout(2000)  # the image comes, and the masks are drawn
            page.screenshot(path=artefacts / f"image-list-{item + 1}.png")
            shown.append(shown_regions(page))
        save(page, "Submit")
    (annotation,) = lists.annotator.request("GET", f"/api/tasks/{task}/annotations/")

    assert shown == [[0], [1], []]
    assert check_masks(3, annotation) == [(0, "Coin"), (1, "Coin")]


@pytest.mark.browser
def test_a_smart_tool_sees_the_page_that_is_shown_and_its_mask_stays_there(
    lists: ColourProject, chromium: str, label_studio: LabelStudioServer, web: Stack, artefacts: Path
) -> None:
    """Of the first task: the coin on the second page, which nobody has painted yet."""
    task, backend = lists.tasks[0], lists.annotator.request("GET", f"/api/ml?project={lists.id}")[0]
    settings = {"url": web.url, "project": lists.id, "is_interactive": True}
    lists.annotator.request("PATCH", f"/api/ml/{backend['id']}", json=settings)

    def click_on_coin() -> None:
        with logged_in(chromium, label_studio, view=ViewportSize(width=1400, height=1300)) as page:
            open_task(page, label_studio, lists.id, task)
            for toggle in ("auto-annotation", "auto-accept"):
                page.get_by_test_id(f"bottombar-{toggle}-toggle").set_checked(True, force=True)
            page.locator(NEXT_PAGE).first.click()
            page.wait_for_timeout(2000)
            page.locator(".lsf-toolbar button.lsf-tool_smart").first.click()
            page.mouse.move(5, 5)  # the button's menu closes
            page.keyboard.press("3")  # the key point's label
            canvas = page.locator("canvas[class*=overlay]").bounding_box()
            assert canvas is not None
            scale = canvas["height"] / SIZES_HW[1][0]
            with page.expect_response(lambda response: "interactive-annotating" in response.url):
                page.mouse.click(canvas["x"] + 30 * scale, canvas["y"] + 16 * scale)
            page.wait_for_timeout(2000)  # the mask takes the place of the key point
            expect(page.locator(REGION_ROW)).to_have_count(3, timeout=30_000)
            page.screenshot(path=artefacts / "image-list-smart-tool.png")
            save(page, "Update")

    with ThreadPoolExecutor(1) as person:  # the worker needs the main thread
        done = person.submit(click_on_coin)
        lists.run_until(done.done, timeout_s=180)
        done.result()
    (annotation,) = lists.annotator.request("GET", f"/api/tasks/{task}/annotations/")

    *_, made = annotation["result"]
    assert (len(annotation["result"]), made["item_index"], label_of(made)) == (3, 1, "Coin")
    assert np.array_equal(region_mask(made), mask(1, TASKS[0][1]["Coin"]))


def save(page: Page, button: str) -> None:
    """Press *button*, and wait until Label Studio has stored the annotation."""
    with page.expect_response(
        lambda each: "/annotations" in each.url and each.request.method in ("POST", "PATCH")
    ):
        page.get_by_text(button).last.click()


def label_of(region: dict[str, Any]) -> str:
    """The label of a painted region."""
    return str(region["value"]["brushlabels"][0])


def shown_regions(page: Page) -> list[int]:
    """The numbers of the pages that the regions which the editor draws now belong to."""
    found: list[int] = page.evaluate(
        "Htx.annotationStore.selected.names.get('pages').regs.map(each => each.item_index)"
    )
    return found


def check_masks(task: int, drawn_on: dict[str, Any]) -> list[tuple[int, str]]:
    """Page and label of each region, sorted; each is of its page's size, and on the thing to the pixel."""
    for each in drawn_on["result"]:
        item = each["item_index"]
        assert (each["from_name"], each["to_name"]) == ("brush", "pages")
        assert (each["original_height"], each["original_width"]) == SIZES_HW[item]
        assert np.array_equal(region_mask(each), mask(item, TASKS[task - 1][item][label_of(each)]))
    return sorted((each["item_index"], label_of(each)) for each in drawn_on["result"])


def report(lists: ColourProject, label_studio: LabelStudioServer, folder: Path) -> Any:
    """What ``oneshot report`` exports of the corrected task."""
    file = folder / "reviewed.json"
    settings = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.token}
    result = CliRunner(env=settings).invoke(main, ["report", "--project", str(lists.id), "--coco", str(file)])
    assert result.exit_code == 0, result.output
    return json.loads(file.read_text())
