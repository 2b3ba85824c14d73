"""One running stack for the session; a test has a project of its own or leaves the shared one as it was."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from backend.demo.coins import DemoImage, demo_images, reference_mask
from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import Processes
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator, annotator_at, brush_region
from tests.e2e.editor import logged_in
from tests.stack import Stack, stack_environment, start_stack


@dataclass(frozen=True)
class CoinProject:
    """A project of demo images, one coin of the first annotated.

    Attributes:
        id: the project's.
        tasks: by the name of the image.
        annotation: the annotated coin's.
        rows: what /status says of the other tasks, by the name of the image.
    """

    id: int
    tasks: dict[str, int]
    annotation: int
    rows: dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def annotator(label_studio: LabelStudioServer) -> Annotator:
    """The one user."""
    return annotator_at(label_studio)


@pytest.fixture(scope="module")
def page(chromium: str, label_studio: LabelStudioServer) -> Iterator[Page]:
    """A browser page of a user who has logged in."""
    with logged_in(chromium, label_studio) as page:
        yield page


@pytest.fixture(scope="session")
def personal_access_token(annotator: Annotator) -> str:
    """The one that the user may have at a time."""
    return annotator.personal_access_token()


@pytest.fixture(scope="session")
def processes(artefacts: Path) -> Iterator[Processes]:
    """What the tests start; their logs stay among the artefacts."""
    with Processes(artefacts / "logs") as processes:
        yield processes


@pytest.fixture(scope="session")
def environment(
    label_studio: LabelStudioServer, weights: Path, cache_dir: Path
) -> Callable[..., dict[str, str]]:
    """The environment of our processes against the real Label Studio, given a queue; changed by name."""
    assert weights.is_relative_to(cache_dir)

    def make(**changed: str) -> dict[str, str]:
        usual = {
            "label_studio_url": label_studio.url,
            "label_studio_api_key": label_studio.token,
            "oneshot_cache": str(cache_dir),
        }
        return stack_environment({**usual, **changed})

    return make


@pytest.fixture(scope="session")
def stack(processes: Processes, environment: Callable[..., dict[str, str]]) -> Stack:
    """Valkey, web and one worker with a legacy token."""
    return start_stack(processes, environment(redis_url=start_valkey(processes)), name="shared")


@pytest.fixture(scope="session")
def coins() -> dict[str, DemoImage]:
    """The demo images by name."""
    return {image.name: image for image in demo_images()}


@pytest.fixture(scope="session")
def coin_project(stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]) -> CoinProject:
    """The main job, done once: connected, one coin annotated, every other task predicted."""
    project = annotator.create_project("Coins of Pompeii")
    ids = annotator.upload(project, {f"{name}.png": image.png() for name, image in coins.items()})
    tasks = dict(zip(coins, ids, strict=True))
    annotator.connect(project, stack.url)
    annotation = annotator.annotate(tasks["coins-1"], [brush_region(reference_mask(coins["coins-1"]))])
    rows = stack.wait_for_tasks(project, ids[1:])
    named = {name: rows[task] for name, task in tasks.items() if task in rows}
    return CoinProject(project, tasks, annotation, named)
