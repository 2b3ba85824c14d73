"""A web process on a queue that tests fill, and a real headless Chromium that looks at its page.

The screenshots stay in .artefacts/, to be looked at.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from redis import Redis
from rq import Worker
from rq.executions import prepare_execution
from rq.job import Job

from backend.demo.coins import DemoImage, demo_images
from backend.demo.processes import Processes, free_port
from backend.jobs.connection import connect
from backend.jobs.keys import WORKER, ProjectKeys
from backend.jobs.progress import Progress, ReferenceNote, TaskProgress
from backend.jobs.queue import JobQueue
from tests.e2e.editor import FLAGS

VERSION = "oneshot-mobilesam-5b1fe8a0c2"
LABEL_STUDIO = "http://labels.example"
AUTH = ("ann", "correct horse")
GONE = "net::ERR_CONNECTION_REFUSED"  # the browser's word when a test takes the backend away
DESKTOP, PHONE = ViewportSize(width=1200, height=900), ViewportSize(width=390, height=844)
LOOKS = [  # name, dark, view
    ("light", False, DESKTOP),
    ("dark", True, DESKTOP),
    ("phone", False, PHONE),
    ("phone-dark", True, PHONE),
]
BRIGHTNESS_LIGHT, BRIGHTNESS_DARK = 700, 200  # sums of the background's channels


@dataclass(frozen=True)
class Scene:
    """A web process, and the queue behind it.

    Attributes:
        url: of the web process.
        connection: to its Valkey.
    """

    url: str
    connection: Redis

    @property
    def progress(self) -> Progress:
        """What the page shows."""
        return Progress(self.connection)

    @property
    def queue(self) -> JobQueue:
        """Where its buttons put work."""
        return JobQueue(self.connection)

    def reference(self, project: int, title: str, *notes: ReferenceNote) -> None:
        """Let a sync find references."""
        self.progress.set_generation(project, VERSION, list(notes))
        self.connection.hset(ProjectKeys(project).project, "title", title)

    def record(self, project: int, *tasks: TaskProgress) -> None:
        """Let a worker note the states of tasks."""
        assert self.progress.record_many(project, VERSION, tasks)

    def worker(self, name: str, *, job: Job | None = None) -> None:
        """Let a worker be there, maybe at work on a sync, or on the last task of a job."""
        worker = Worker(self.queue.queues(), name=name, connection=self.connection)
        worker.register_birth()  # type: ignore[no-untyped-call]
        worker.set_state("busy" if job else "idle")
        if job:
            prepare_execution(worker, job)
            self.connection.hset(WORKER.format(name), "project_id", job.kwargs["project_id"])
        if job and "task_ids" in job.kwargs:
            project, task = job.kwargs["project_id"], job.kwargs["task_ids"][-1]
            assert self.progress.take(project, VERSION, task, job.id) == "taken"
        self.connection.hset(WORKER.format(name), "rss_bytes", "812000000")


@pytest.fixture(scope="module")
def coins() -> list[DemoImage]:
    """Pictures with masks."""
    return demo_images()


@pytest.fixture(scope="module")
def served(shared_valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web process that asks for a password."""
    port = free_port()
    environment = os.environ | {
        "REDIS_URL": shared_valkey,
        "ONESHOT_BASIC_AUTH_USER": AUTH[0],
        "ONESHOT_BASIC_AUTH_PASSWORD": AUTH[1],
        "LABEL_STUDIO_PUBLIC_URL": LABEL_STUDIO,
    }
    command = [sys.executable, "-m", "backend.cli", "web", "--host", "127.0.0.1", "--port", str(port)]
    with Processes(tmp_path_factory.mktemp("logs")) as processes:
        web = processes.start("web", command, environment=environment)
        web.wait_healthy(f"http://127.0.0.1:{port}/health", auth=AUTH)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def scene(served: str, shared_valkey: str) -> Iterator[Scene]:
    """The web process on an empty queue."""
    with connect(shared_valkey) as connection:
        connection.flushall()
        yield Scene(served, connection)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, scene: Scene) -> Iterator[Callable[..., Page]]:
    """Opens the status page; fails the test if the browser complained of anything."""
    opened, complaints = [], list[str]()

    def open_status(*, dark: bool = False, view: ViewportSize = DESKTOP, javascript: bool = True) -> Page:
        context = browser.new_context(
            viewport=view,
            color_scheme="dark" if dark else "light",
            java_script_enabled=javascript,
            http_credentials={"username": AUTH[0], "password": AUTH[1], "origin": scene.url},
            device_scale_factor=2 if view is PHONE else 1,
        )
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda message: None if GONE in message.text else complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{scene.url}/status")
        return page

    yield open_status
    for context in opened:
        context.close()
    assert complaints == []


def no_wider_than_the_screen(page: Page) -> bool:
    """Whether nobody has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
