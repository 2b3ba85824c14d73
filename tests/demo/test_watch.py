"""Claims about following ``/status``."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from backend.demo.errors import DemoOutcomeError, DemoProcessError
from backend.demo.watch import (
    ProjectStatus,
    TaskOutcome,
    outcome_display,
    outcome_text,
    project_status,
    wait_for_predictions,
    wait_for_reference,
)

SNAPSHOT = {
    "projects": [
        {
            "id": 7,
            "model_version": "oneshot-mobilesam-1a2b",
            "reason": None,
            "error": None,
            "references": [{"label": "Coin", "task": 1, "annotation": 5, "instances": 1}],
            "counts": {"done": 1, "queued": 1},
            "tasks": [
                {"id": 2, "state": "done", "instances": 4, "confidence": 0.9, "seconds": 1.5, "reason": None},
                {"id": 3, "state": "queued"},
            ],
        }
    ],
    "workers": [],
    "queue": {"waiting": 1},
}


@pytest.fixture
def web_url() -> Iterator[str]:
    """A server that answers every request with ``SNAPSHOT``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(SNAPSHOT).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def status(*outcomes: TaskOutcome, error: str | None = None, reference: bool = True) -> ProjectStatus:
    return ProjectStatus(
        "v1", None, error, frozenset({1} if reference else set()), {one.task_id: one for one in outcomes}
    )


def test_the_status_of_one_project_is_read(web_url: str) -> None:
    found = project_status(web_url, 7)

    assert found.reference_tasks == {1}
    assert found.tasks[2] == TaskOutcome(2, "done", 4, 0.9, 1.5)
    assert not found.tasks[3].finished


def test_a_project_that_nobody_heard_of_has_no_tasks(web_url: str) -> None:
    assert project_status(web_url, 8) == ProjectStatus(None, None, None, frozenset(), {})


def test_a_web_process_that_does_not_answer_is_asked_again_later() -> None:
    assert project_status("http://127.0.0.1:9", 7).tasks == {}


def test_each_finished_task_is_shown_once() -> None:
    answers = iter(
        [
            status(TaskOutcome(2, "processing")),
            status(TaskOutcome(2, "done", 4)),
            status(TaskOutcome(2, "done", 4), TaskOutcome(3, "failed", reason="no image")),
        ]
    )
    shown: list[int] = []

    outcomes = wait_for_predictions(
        lambda: next(answers), [2, 3], show=lambda one: shown.append(one.task_id), still_running=lambda: None
    )

    assert shown == [2, 3]
    assert outcomes[3].reason == "no image"


def test_silence_ends_with_what_the_worker_says() -> None:
    with pytest.raises(DemoOutcomeError, match=r"0 of 1 tasks.*\(the token is refused\)"):
        wait_for_predictions(
            lambda: status(error="the token is refused"),
            [2],
            show=lambda _: None,
            still_running=lambda: None,
            silence_s=0,
        )


def test_a_dead_worker_ends_the_waiting() -> None:
    def dead() -> None:
        raise DemoProcessError("worker ended")

    with pytest.raises(DemoProcessError, match="worker ended"):
        wait_for_reference(lambda: status(reference=False), still_running=dead)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (TaskOutcome(2, "done", 1), "1 instance"),
        (TaskOutcome(2, "done", 4), "4 instances"),
        (TaskOutcome(2, "empty", 0), "nothing found"),
        (TaskOutcome(2, "failed", reason="an SVG"), "failed: an SVG"),
    ],
)
def test_an_outcome_in_words(outcome: TaskOutcome, text: str) -> None:
    assert outcome_text(outcome) == text


def test_without_a_terminal_each_task_is_a_plain_line() -> None:
    output = io.StringIO()

    with outcome_display(Console(file=output), 1, {2: "coins-2.png"}) as show:
        show(TaskOutcome(2, "done", 4))

    assert output.getvalue() == "coins-2.png: 4 instances\n"


def test_on_a_terminal_there_is_a_progress_bar() -> None:
    output = io.StringIO()

    with outcome_display(Console(file=output, force_terminal=True, width=120), 2, {2: "coins-2.png"}) as show:
        show(TaskOutcome(2, "done", 4))

    assert "1/2" in output.getvalue()
    assert "coins-2.png: 4 instances" in output.getvalue()
