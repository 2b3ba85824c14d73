"""The status page in a real headless Chromium, on a queue that tells of all that can happen.

The screenshots stay in .artefacts/, to be looked at.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, ViewportSize, expect

from backend.demo.coins import DemoImage
from backend.jobs.breaker import Breaker
from backend.jobs.keys import ProjectKeys
from backend.jobs.pictures import Pictures
from backend.jobs.progress import ReferenceNote, TaskProgress
from backend.jobs.queue import PREDICT_QUEUE
from backend.jobs.runs import Runs
from backend.vision.instance import Instance, mask_window
from backend.worker.thumbnails import Thumbnailer, reference_picture
from tests.e2e.status.conftest import (
    AUTH,
    BRIGHTNESS_DARK,
    BRIGHTNESS_LIGHT,
    LABEL_STUDIO,
    LOOKS,
    PHONE,
    VERSION,
    Scene,
    no_wider_than_the_screen,
)

pytestmark = pytest.mark.browser


@pytest.fixture
def running(scene: Scene, coins: list[DemoImage]) -> Scene:
    """A run that goes on, beside one that is finished, one without a reference and one that waits."""
    scene.progress.set_no_reference(5, "no annotation has a brush region yet")
    scene.connection.hset(ProjectKeys(5).project, "title", "Circuit boards, back side")
    scene.reference(
        3,
        "Hazelnuts, harvest 2026",
        ReferenceNote("Nut", 3, 9, 1),
        ReferenceNote("Shell", 4, 10, 2, weak=True),
    )
    start_run(scene, 3, range(1, 41))
    scene.record(
        3, *(TaskProgress(task, "done", instances=8, confidence=0.88, seconds=0.9) for task in range(1, 41))
    )
    scene.reference(2, "Coins of Pompeii", ReferenceNote("Coin", 1, 7, 1))
    start_run(scene, 2, range(1, 1201))
    finish(scene, 2, coins)
    scene.record(
        2, *(TaskProgress(task, "done", instances=4, confidence=0.91, seconds=0.7) for task in range(20, 400))
    )
    scene.record(2, *(TaskProgress(task, "empty", instances=0, seconds=0.4) for task in range(400, 431)))
    scene.record(2, TaskProgress(431, "skipped", reason="a person has annotated it"))
    Pictures(scene.connection).put_references(
        2, {(7, "Coin"): reference_picture(coins[0].image, coins[0].masks[2:3])}
    )
    scene.worker("gpu-1-4711-ab12", job=scene.queue.queue(PREDICT_QUEUE).get_jobs()[-1])
    scene.worker("gpu-2-4712-cd34")
    return scene


def start_run(scene: Scene, project: int, tasks: range) -> None:
    """Let a sync begin the run, and queue its tasks."""
    runs = Runs(scene.queue)
    runs.begin_listing(project, VERSION)
    scene.queue.enqueue_tasks(project, VERSION, tasks)
    runs.note_page(project, VERSION, cursor=0, next_cursor=tasks[-1], left=0)


def finish(scene: Scene, project: int, coins: list[DemoImage]) -> None:
    """Let a worker finish the tasks of the demo images, with their pictures."""
    for task, coin in enumerate(coins, 1):
        found = [Instance("Coin", mask_window(mask), 0.9, 0.9) for mask in coin.masks]
        picture = Thumbnailer().found(coin.image, found)
        assert picture is not None
        state = TaskProgress(task, "done", len(found), 0.93, 0.8) if found else TaskProgress(task, "empty", 0)
        scene.record(project, state)
        assert Pictures(scene.connection).put_task(project, VERSION, task, picture)


def fail(scene: Scene, project: int) -> None:
    """Let tasks fail for three reasons."""
    gone = "https://images.example/box/{}.jpg answered 404 Not Found; correct the task's data"
    scene.record(
        project, *(TaskProgress(task, "failed", reason=gone.format(task)) for task in range(500, 520))
    )
    cut = TaskProgress(
        521, "failed", reason="expected an image, got a file that ends too early (truncated JPEG)"
    )
    large = "expected at most 100000000 pixels, got 30000 x 20000; raise ONESHOT_MAX_IMAGE_PIXELS"
    scene.record(
        project, cut, TaskProgress(530, "failed", reason=large), TaskProgress(531, "failed", reason=large)
    )


def test_an_empty_backend_says_what_to_do(open_page: Callable[..., Page], artefacts: Path) -> None:
    page = open_page()
    page.screenshot(path=artefacts / "status-empty.png", full_page=True)

    expect(page.get_by_text("Settings, Model, Connect Model")).to_be_visible()
    expect(page.get_by_text("No worker is running")).to_be_visible()


@pytest.mark.parametrize(("name", "dark", "view"), LOOKS)
@pytest.mark.usefixtures("running")
def test_a_run_is_readable_everywhere(
    open_page: Callable[..., Page], artefacts: Path, name: str, dark: bool, view: ViewportSize
) -> None:
    """In the person's colours, at the width of a desk or a hand, with every picture drawn."""
    page = open_page(dark=dark, view=view)
    page.wait_for_timeout(800)  # pictures
    page.screenshot(path=artefacts / f"status-running-{name}.png", full_page=True)

    coins_card = page.locator("#project-2")
    expect(coins_card.get_by_role("heading", name="Coins of Pompeii")).to_be_visible()
    expect(coins_card.get_by_text("420 of 1\u202f200 tasks")).to_be_visible()
    expect(coins_card.get_by_text("a minute")).to_be_visible()
    expect(coins_card.get_by_text("left")).to_be_visible()
    expect(page.locator("#workers")).to_contain_text(re.compile(r"task 16 of Coins of Pompeii\s+for \d+ s"))
    assert no_wider_than_the_screen(page)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(channel) for channel in re.findall(r"\d+", colour))
    assert brightness < BRIGHTNESS_DARK if dark else brightness > BRIGHTNESS_LIGHT


@pytest.mark.usefixtures("running")
def test_pictures_are_drawn_and_link_to_their_tasks(open_page: Callable[..., Page]) -> None:
    page = open_page()
    pictures = page.locator("#project-2 img")

    assert pictures.count() == 1 + 8
    pictures.last.scroll_into_view_if_needed()
    for picture in pictures.all():
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    link = page.locator("#project-2 .thumbs a:has(img)").first
    assert link.get_attribute("href") == f"{LABEL_STUDIO}/projects/2/data?task=8"


def test_the_page_updates_by_itself_and_leaves_what_the_person_does(
    running: Scene, open_page: Callable[..., Page]
) -> None:
    """An opened table stays open, the page stays where it was scrolled to, nothing is loaded anew."""
    page = open_page(view=PHONE)
    page.evaluate("window.loadedOnce = true")
    page.locator("#project-2 summary").click()
    page.evaluate("window.scrollTo(0, 500)")

    running.record(2, *(TaskProgress(task, "done", instances=1) for task in range(700, 780)))

    expect(page.locator("#project-2").get_by_text("500 of 1\u202f200 tasks")).to_be_attached(timeout=8000)
    expect(page.locator("#project-2 table")).to_be_visible()
    assert page.evaluate("window.loadedOnce && Math.abs(window.scrollY - 500) < 200")


def test_failures_are_told_by_reason_and_tried_again_by_a_button(
    running: Scene, open_page: Callable[..., Page], artefacts: Path
) -> None:
    fail(running, 2)
    page = open_page()
    page.screenshot(path=artefacts / "status-failing.png", full_page=True)
    failures = page.locator("#project-2 .failures li")

    expect(failures).to_have_count(3)
    expect(failures.first).to_contain_text("https://images.example")
    assert (
        failures.nth(1).get_by_role("link").first.get_attribute("href")
        == f"{LABEL_STUDIO}/projects/2/data?task=531"
    )
    page.locator("#project-2").get_by_role("button", name="Retry 23 failed").click()

    expect(page.get_by_text("Coins of Pompeii: 23 failed tasks will be tried again.")).to_be_visible()
    expect(failures).to_have_count(0)
    assert running.progress.snapshot()["projects"][0]["counts"].get("failed", 0) == 0


def test_a_run_is_cancelled_and_resumed_by_buttons(running: Scene, open_page: Callable[..., Page]) -> None:
    page = open_page()
    project = page.locator("#project-2")

    project.get_by_role("button", name="Cancel").click()
    expect(project.locator(".chip").first).to_have_text("Cancelled")
    expect(page.get_by_text("tasks will not be done")).to_be_visible()
    project.get_by_role("button", name="Resume").click()
    expect(project.locator(".chip").first).to_have_text("Looking for the reference")

    assert running.queue.sync_waits(2)


def test_the_buttons_work_without_javascript(running: Scene, open_page: Callable[..., Page]) -> None:
    page = open_page(javascript=False)

    page.locator("#project-5").get_by_role("button", name="Warm up").click()

    expect(page.get_by_text("Circuit boards, back side: its images are being prepared.")).to_be_visible()
    assert running.queue.depths()["warmup"] == 1


def test_a_new_project_leaves_the_others_as_they_are(running: Scene, open_page: Callable[..., Page]) -> None:
    """It comes on top; the table that was opened below moves down, and stays open."""
    page = open_page()
    page.locator("#project-2 summary").click()

    running.reference(9, "Screws", ReferenceNote("Screw", 1, 1, 1))
    start_run(running, 9, range(1, 9))

    expect(page.locator("#project-9")).to_be_visible(timeout=8000)
    cards = page.locator("main > section").evaluate_all("cards => cards.map(card => card.id)")
    assert cards == ["project-9", "project-2", "project-5", "project-3", "workers"]
    assert page.locator("#project-2 details").evaluate("details => details.open")


@pytest.mark.usefixtures("running")
def test_a_lost_connection_is_told_and_comes_back(open_page: Callable[..., Page]) -> None:
    """What was shown last stays readable."""
    page = open_page()
    live = page.locator("#live")

    page.route("**/status", lambda route: route.abort("connectionrefused"))
    expect(live).to_have_text("no answer; trying again", timeout=8000)
    expect(page.locator("#project-2")).to_be_visible()
    page.unroute("**/status")

    expect(live).to_have_text("live", timeout=8000)


def test_a_pause_is_told(running: Scene, open_page: Callable[..., Page], artefacts: Path) -> None:
    Breaker(running.connection).trip("expected http://labels.example to answer, got: connection refused")
    page = open_page()

    expect(page.get_by_text("Label Studio does not answer").first).to_be_visible()
    expect(page.locator("#project-2 .chip").first).to_have_text("Paused: Label Studio does not answer")
    page.screenshot(path=artefacts / "status-paused.png", full_page=True)


def test_no_other_site_can_press_the_buttons(running: Scene, browser: Browser) -> None:
    """A page of another origin posts a form with the browser's stored password: nothing happens."""
    context = browser.new_context(http_credentials={"username": AUTH[0], "password": AUTH[1]})
    page = context.new_page()
    page.goto(f"{running.url}/status")
    form = f'<form method="post" action="{running.url}/projects/2/cancel"></form>'
    evil = f"{form}<script>document.forms[0].submit()</script>"
    page.route("http://evil.example/", lambda route: route.fulfill(body=evil, content_type="text/html"))

    with page.expect_response(lambda response: response.url.endswith("/projects/2/cancel")) as caught:
        page.goto("http://evil.example/")

    assert caught.value.status == 403
    run = running.progress.snapshot()["projects"][0]["run"]
    context.close()
    assert run["state"] == "running"


def test_the_page_and_its_pictures_ask_for_the_password(running: Scene) -> None:
    for path in (
        "/status",
        "/metrics",
        "/static/status.js",
        "/projects/2/tasks/1.jpg",
        "/projects/2/references/7.jpg?label=Coin",
    ):
        assert requests.get(f"{running.url}{path}", timeout=5).status_code == 401
        assert requests.get(f"{running.url}{path}", timeout=5, auth=AUTH).status_code == 200
    assert requests.post(f"{running.url}/projects/2/cancel", timeout=5).status_code == 401
