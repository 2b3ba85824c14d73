"""Tokens, passwords, and a queue that goes away and comes back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from backend.demo.coins import DemoImage, reference_mask
from backend.demo.processes import Processes, free_port
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator, brush_region
from tests.stack import ONESHOT, start_stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]

Environment = Callable[..., dict[str, str]]
USER, PASSWORD = "backend", "pass:wörd"


@pytest.fixture
def own_processes(artefacts: Path) -> Iterator[Processes]:
    """Processes that end with the test."""
    with Processes(artefacts / "logs") as processes:
        yield processes


def _two_tasks(annotator: Annotator, coins: dict[str, DemoImage], title: str) -> tuple[int, int, int]:
    project = annotator.create_project(title)
    files = {"first.png": coins["coins-1"].png(), "second.png": coins["coins-4"].png()}
    first, second = annotator.upload(project, files)
    return project, first, second


def test_with_a_personal_access_token_and_basic_auth(
    own_processes: Processes,
    environment: Environment,
    annotator: Annotator,
    personal_access_token: str,
    coins: dict[str, DemoImage],
) -> None:
    """The webhook that Label Studio makes knows no password; it is given ours, and then the event arrives."""
    settings = {"oneshot_basic_auth_user": USER, "oneshot_basic_auth_password": PASSWORD}
    stack = start_stack(
        own_processes,
        environment(
            redis_url=start_valkey(own_processes), label_studio_api_key=personal_access_token, **settings
        ),
        name="auth",
    )
    project, first, second = _two_tasks(annotator, coins, "Basic auth")
    assert requests.get(f"{stack.url}/health", timeout=10).status_code == 401

    annotator.connect(project, stack.url, user=USER, password=PASSWORD)
    stack.wait_for(
        lambda: all(hook["headers"] for hook in annotator.webhooks(project)), what="authorised webhook"
    )
    stack.wait_until_idle()
    annotator.annotate(first, [brush_region(reference_mask(coins["coins-1"]))])

    assert stack.wait_for_tasks(project, [second])[second]["state"] == "done"
    assert [row["task"] for row in annotator.predictions(project)] == [second]


def test_a_refused_token_is_told(own_processes: Processes, environment: Environment) -> None:
    """The worker says so at once, rather than at the first job."""
    refused = environment(redis_url=start_valkey(own_processes), label_studio_api_key="0" * 40)

    worker = own_processes.start("refused-worker", [ONESHOT, "worker"], environment=refused)

    assert worker.process.wait(60) == 1
    assert "LABEL_STUDIO_API_KEY" in worker.last_log_lines()


def test_an_unreachable_label_studio_is_told(own_processes: Processes, environment: Environment) -> None:
    """It may come up later, so the worker waits; it says for what."""
    url = f"http://127.0.0.1:{free_port()}"
    unreachable = environment(redis_url=start_valkey(own_processes), label_studio_url=url)

    worker = own_processes.start("unreachable-worker", [ONESHOT, "worker"], environment=unreachable)

    worker.wait_until(lambda: url in worker.last_log_lines(), timeout_s=60)


def test_a_queue_that_was_lost_is_filled_again_from_label_studio(
    own_processes: Processes,
    environment: Environment,
    annotator: Annotator,
    coins: dict[str, DemoImage],
    artefacts: Path,
) -> None:
    """Valkey goes away while all runs, and comes back empty: no work that a person did is lost."""
    port = free_port()
    with Processes(artefacts / "logs") as lost:
        stack = start_stack(
            own_processes, environment(redis_url=start_valkey(lost, port=port)), name="lost-queue"
        )
        project, first, second = _two_tasks(annotator, coins, "Lost queue")
        annotator.connect(project, stack.url)
        stack.wait_until_idle()

    annotator.annotate(first, [brush_region(reference_mask(coins["coins-1"]))])  # its event goes nowhere
    assert requests.get(f"{stack.url}/status", timeout=10).status_code == 503
    start_valkey(own_processes, port=port)
    annotator.retrieve_predictions(project)

    assert stack.wait_for_tasks(project, [second])[second]["state"] == "done"
