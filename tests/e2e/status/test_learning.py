"""What the status page shows of a project's learning, in a real headless Chromium."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from backend.jobs.agreement import Agreement, Agreements, Cursor, GenerationAgreement, TaskAgreement
from backend.jobs.generations import Generations
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import ReferenceNote
from backend.jobs.queue import SYNC_QUEUE
from tests.e2e.status.conftest import LABEL_STUDIO, LOOKS, Scene, no_wider_than_the_screen

pytestmark = pytest.mark.browser
VERSIONS = [
    f"oneshot-mobilesam-{digest}" for digest in ("5b1fe8a0c2", "07cc31d9ae", "e41b09f37d", "90d2aa6c18")
]
EVIDENCE = [(), (21,), (21, 24), (21, 24, 30, 31)]
LABELS = ("Coin", "Nut", "Bronze brooch, Roman, with a pin")
COUNTS = [  # reviewed, kept, redrawn, loose, deleted, added, sum of IoU: of each label
    (Agreement(6, 9, 14, 9, 6, 7, 19.0), Agreement(4, 2, 3, 2, 3, 2, 3.9), Agreement(2, 0, 1, 1, 4, 4, 0.4)),
    (Agreement(3, 11, 8, 4, 2, 3, 17.5), Agreement(2, 3, 1, 1, 1, 1, 3.7), Agreement(1, 1, 2, 1, 3, 2, 2.2)),
    (Agreement(4, 22, 6, 2, 1, 2, 27.0), Agreement(3, 6, 1, 0, 1, 0, 6.9), Agreement()),
    (
        Agreement(9, 61, 7, 1, 2, 2, 67.1),
        Agreement(6, 14, 2, 0, 1, 1, 15.7),
        Agreement(3, 2, 1, 1, 2, 2, 2.5),
    ),
]


def let_learn(scene: Scene, project: int, title: str, *labels: str) -> None:
    """Let a project have four generations, the last of them current, each with reviews of all labels."""
    notes = [ReferenceNote(label, 1, 7, number + 1) for number, label in enumerate(labels)]
    scene.progress.set_generation(project, VERSIONS[-1], notes)
    scene.connection.hset(ProjectKeys(project).project, "title", title)
    generations, references = Generations(scene.queue), [(label, 7) for label in labels]
    for number, (version, evidence) in enumerate(zip(VERSIONS, EVIDENCE, strict=True)):
        generations.keep(
            *(project, version), references=references, evidence=evidence, reviewed=24, tasks={21: 5, 24: 6}
        )
        made = scene.connection.hget(ProjectKeys(project).generations, version)
        entry = json.loads(made)  # type: ignore[arg-type]
        entry["made_at"] -= 7000 - 2000 * number
        scene.connection.hset(ProjectKeys(project).generations, version, json.dumps(entry))
    agreements = [
        GenerationAgreement(
            *(version, 10 * number + 1, counts[0].reviewed), dict(zip(labels, counts, strict=False))
        )
        for number, (version, counts) in enumerate(zip(VERSIONS, COUNTS, strict=True))
    ]
    counted = Agreements(scene.connection)
    counted.put(project, [TaskAgreement(1, tuple(agreements))], Cursor())
    counted.add_up(project)


@pytest.fixture
def learned(scene: Scene) -> Scene:
    """Coins and nuts were reviewed; one annotation is excluded."""
    let_learn(scene, 2, "Coins of Pompeii", "Coin", "Nut")
    scene.connection.sadd(ProjectKeys(2).excluded, 26)
    return scene


def texts(chart: Locator, kind: str) -> list[str]:
    """The figures of one kind, from the oldest generation to the newest."""
    return chart.locator(f".{kind} text:not(.title)").all_text_contents()


@pytest.mark.parametrize(("name", "dark", "view"), LOOKS)
@pytest.mark.usefixtures("learned")
def test_learning_is_readable_everywhere(
    open_page: Callable[..., Page], artefacts: Path, name: str, dark: bool, view: ViewportSize
) -> None:
    """The work that is left falls from generation to generation; each tells what people made of it."""
    page = open_page(dark=dark, view=view)
    page.locator("summary").filter(has_text="All figures").click()
    page.screenshot(path=artefacts / f"learning-{name}.png", full_page=True)

    chart = page.locator(".chart").filter(has_text="All labels")
    assert texts(chart, "kept") == ["30 %", "54 %", "76 %", "86 %"]
    assert texts(chart, "effort") == ["78 %", "44 %", "16 %", "8 %"]
    assert texts(chart, "iou") == ["0.82", "0.92", "0.97", "0.99"]
    assert texts(chart, "tick") == ["0", "1", "2", "4"]
    bars = chart.locator(".effort rect").all()
    heights = [box["height"] for box in (bar.bounding_box() for bar in bars) if box]
    assert heights == sorted(heights, reverse=True)
    expect(page.locator(".charts .chart")).to_have_count(2)
    expect(page.locator(".generations li").first).to_contain_text("learned from 4 corrections")
    expect(page.locator(".generations li").first).to_contain_text(
        "86 % kept · mean IoU 0.99 · 8 % of the work left"
    )
    expect(page.locator(".generations li").first).to_contain_text(
        "9 reviewed: 75 kept, 9 redrawn, 3 deleted, 3 added"
    )
    expect(page.get_by_role("row").filter(has_text="90d2aa6c18")).to_contain_text("Coin")
    assert no_wider_than_the_screen(page)


@pytest.mark.parametrize(("name", "dark", "view"), LOOKS)
@pytest.mark.parametrize(("number", "labels"), [("one", LABELS[:1]), ("three", LABELS)])
def test_each_label_tells_what_was_kept_of_it(
    *,
    scene: Scene,
    open_page: Callable[..., Page],
    artefacts: Path,
    name: str,
    dark: bool,
    view: ViewportSize,
    number: str,
    labels: tuple[str, ...],
) -> None:
    """Also the only one; who sees no chart hears it."""
    let_learn(scene, 2, "Finds of Pompeii", *labels)

    page = open_page(dark=dark, view=view)
    page.screenshot(path=artefacts / f"labels-{number}-{name}.png", full_page=True)

    for label, *expected in zip(labels, ("87 %", "82 %", "40 %"), ("7 %", "12 %", "100 %"), strict=False):
        chart = page.locator(".chart").filter(has_text=label)
        assert [texts(chart, kind)[-1] for kind in ("kept", "effort")] == expected
        heard = chart.get_by_role("img").get_attribute("aria-label")
        assert heard is not None
        assert heard.startswith(f"{label}, by generation. 5b1fe8a0c2: learned from 0 corrections, ")
        assert f"{expected[0]} kept, {expected[1]} of the work left, mean IoU 0." in heard
    expect(page.locator(".chart").filter(has_text="All labels")).to_have_count(int(len(labels) > 1))
    assert no_wider_than_the_screen(page)


def test_the_page_says_that_a_worker_learns(
    learned: Scene, open_page: Callable[..., Page], artefacts: Path
) -> None:
    """Which may take minutes, in which nothing else is to be seen."""
    learned.queue.enqueue_sync(2)
    (job,) = learned.queue.queue(SYNC_QUEUE).get_jobs()
    learned.worker("worker-1", job=job)
    learned.worker("worker-2")

    with learned.queue.sync_lock(2, job_id=job.id), Generations(learned.queue).learning(2, 8):
        page = open_page()
        page.screenshot(path=artefacts / "learning-goes-on.png", full_page=True)

        expect(page.locator("h2 .chip")).to_have_text("Learning from review")
        expect(page.get_by_text("A worker learns from 8 corrections")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="worker-1")).to_contain_text(
            "learns from review in Coins of Pompeii"
        )
        expect(page.get_by_role("button", name="Learn now")).to_have_count(0)
    expect(page.get_by_role("button", name="Learn now")).to_have_count(1)


def test_corrections_that_taught_nothing_are_told_and_not_offered_again(
    scene: Scene, open_page: Callable[..., Page], artefacts: Path
) -> None:
    """Six of them; a seventh would bring the button back."""
    scene.progress.set_generation(2, VERSIONS[0], [ReferenceNote("Coin", 1, 7, 1)])
    Generations(scene.queue).keep(2, VERSIONS[0], references=[("Coin", 7)], reviewed=6, in_vain=6)
    counted = Agreements(scene.connection)
    kept = GenerationAgreement(VERSIONS[0], 1, 6, {"Coin": Agreement(6, 40, 1, 0, 0, 1, 40.0)})
    counted.put(2, [TaskAgreement(1, (kept,))], Cursor())
    counted.add_up(2)

    page = open_page()
    page.screenshot(path=artefacts / "learning-in-vain.png", full_page=True)

    expect(page.locator(".generations li")).to_contain_text(
        "from the first masks; what 6 corrections taught would have saved no work"
    )
    expect(page.get_by_role("button", name="Learn now")).to_have_count(0)


def test_an_old_generation_is_made_current_again(learned: Scene, open_page: Callable[..., Page]) -> None:
    page = open_page()

    page.locator(".generations li").filter(has_text="e41b09f37d").get_by_role(
        "button", name="Make current"
    ).click()

    expect(
        page.get_by_text("Coins of Pompeii: that generation becomes the current one again")
    ).to_be_visible()
    assert Generations(learned.queue).wishes(2).pin == VERSIONS[2]
    assert learned.queue.sync_waits(2)


def test_references_and_corrections_are_excluded_and_used_again(
    learned: Scene, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    generations = Generations(learned.queue)

    page.locator(".reference").first.get_by_role("button", name="Exclude").click()
    expect(page.get_by_text("that annotation teaches nothing any more")).to_be_visible()
    page.get_by_text("Learned from 4 corrections", exact=True).click()
    correction = page.locator(".teachers li").filter(has_text="task 6, annotation 24")
    expect(correction.get_by_role("link")).to_have_attribute("href", f"{LABEL_STUDIO}/projects/2/data?task=6")
    correction.get_by_role("button").click()
    expect(page.locator(".teachers li").filter(has_text="Use again")).to_have_count(3)
    page.locator(".teachers li").filter(has_text="annotation 26").get_by_role(
        "button", name="Use again"
    ).click()
    expect(page.get_by_text("that annotation teaches again")).to_be_visible()

    assert generations.excluded(2) == {7, 24}


def test_what_was_reviewed_is_learned_from_at_once(learned: Scene, open_page: Callable[..., Page]) -> None:
    """The button works without scripts, too."""
    page = open_page(javascript=False)

    page.get_by_role("button", name="Learn now").click()

    expect(page.get_by_text("everything that was reviewed is learned from now")).to_be_visible()
    assert Generations(learned.queue).wishes(2).asked


def test_the_page_of_a_project_that_has_learned_nothing_yet_does_not_speak_of_it(
    scene: Scene, open_page: Callable[..., Page]
) -> None:
    scene.reference(2, "Coins", ReferenceNote("Coin", 1, 7, 1))
    Generations(scene.queue).keep(2, VERSIONS[0], references=[("Coin", 7)])

    expect(open_page().get_by_text("Learning from review")).to_have_count(0)
