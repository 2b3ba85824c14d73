"""Smart tools: what Label Studio 1.23.2 was seen to send, and somebody who waits."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.interactive import Questions
from backend.jobs.progress import Progress
from backend.jobs.queue import INTERACTIVE_QUEUE, JobQueue
from backend.web.app import create_app
from backend.web.interactive import MOST_WAITING, Help
from tests.web.conftest import VERSION, Backend
from tests.web.test_app import predict_body

POINT = {
    "original_width": 400, "original_height": 300, "image_rotation": 0, "is_positive": True,
    "id": "da7HXJmgJs",
    "value": {"x": 49.9, "y": 50.0, "width": 0.23, "labels": ["Coin"], "keypointlabels": ["Coin"]},
    "from_name": "kp", "to_name": "image", "type": "keypointlabels", "origin": "manual",
}  # fmt: skip
STROKE = {
    **POINT, "type": "brushlabels", "from_name": "label",
    "value": {"format": "rle", "rle": [0, 0, 1, 224], "brushlabels": ["Coin"]},
}  # fmt: skip
FOUND = [{"id": "0123456789abcdef", "type": "brushlabels"}]


def body(*regions: Any, tasks: tuple[int, ...] = (5,)) -> dict[str, Any]:
    found = predict_body(*tasks)
    for task in found["tasks"]:
        task["annotations"] = [{"result": [STROKE]}]
    return {**found, "params": {**found["params"], "context": {"result": list(regions)}}}


def client_of(connection: Redis, *, interactive: Help = "thing", wait_s: float = 30) -> FlaskClient:
    queue, progress = JobQueue(connection), Progress(connection)
    app = create_app(queue, progress, checkpoint="mobilesam", interactive=interactive, interactive_s=wait_s)
    return app.test_client()


@pytest.fixture(name="asked")
def _asked(shared_valkey: str, connection: Redis) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Sends a body while something answers the next question; the reply, and what it was asked."""

    def ask(sent: dict[str, Any], **how: Any) -> tuple[Any, dict[str, Any]]:
        seen: list[dict[str, Any]] = []

        def answer() -> None:
            with connect(shared_valkey) as other:
                queue = JobQueue(other)
                while not (jobs := queue.queue(INTERACTIVE_QUEUE).get_jobs()):
                    time.sleep(0.01)
                seen.append(jobs[0].kwargs)
                Questions(queue).answer(jobs[0].id, FOUND)

        worker = threading.Thread(target=answer)
        worker.start()
        reply = client_of(connection, **how).post("/predict", json=sent)
        worker.join()
        return reply, seen[0]

    return ask


def test_who_points_at_something_gets_the_regions_that_a_worker_found(
    asked: Callable[..., Any], backend: Backend
) -> None:
    backend.synced(2)

    reply, question = asked(body(POINT))

    assert reply.json == {"results": [{"result": FOUND, "model_version": VERSION}]}
    assert question == {"project_id": 2, "task_id": 5, "regions": [POINT], "similar": False, "known": []}


def test_no_reference_is_needed(asked: Callable[..., Any]) -> None:
    reply, _ = asked(body(POINT))

    assert reply.json["results"][0]["model_version"] == "oneshot-mobilesam-noref"


def test_what_was_painted_is_not_left_out(asked: Callable[..., Any]) -> None:
    """Masks are left out of all other bodies."""
    _, question = asked(body(STROKE))

    assert question["regions"] == [STROKE]


def test_a_mask_that_is_no_json_is_refused(client: FlaskClient) -> None:
    """The usual reading of a body leaves masks out, whatever they hold."""
    data = json.dumps(body(STROKE)).replace("[0, 0, 1, 224]", "[0,, 1]")

    reply: Any = client.post("/predict", data=data, content_type="application/json")

    assert (reply.status_code, "masks" in reply.json["error"]) == (400, True)


def test_all_that_looks_alike_is_asked_for_where_it_is_set(asked: Callable[..., Any]) -> None:
    """Then a worker is also told what is there already: the draft of whoever asks, with its masks."""
    sent = body(POINT)
    sent["tasks"][0]["drafts"] = [{"id": 1, "result": [STROKE, None]}, {"id": 2, "result": None}, None]

    _, question = asked(sent, interactive="similar")

    assert (question["similar"], question["known"]) == (True, [STROKE])


def test_without_a_free_worker_the_answer_is_empty_in_time(connection: Redis) -> None:
    started = time.monotonic()

    reply = client_of(connection, wait_s=0.3).post("/predict", json=body(POINT))

    assert 0.3 <= time.monotonic() - started < 5
    assert reply.json == {"results": [{"result": [], "model_version": "oneshot-mobilesam-noref"}]}


@pytest.mark.parametrize(("regions", "interactive"), [((POINT,), "off"), ((), "thing")])
def test_nobody_is_asked_where_it_is_off_or_nothing_is_left(
    backend: Backend, connection: Redis, regions: tuple[Any, ...], interactive: Help
) -> None:
    """The last click was deleted; or the administrator wants none of this."""
    started = time.monotonic()

    reply: Any = client_of(connection, interactive=interactive).post("/predict", json=body(*regions))

    assert time.monotonic() - started < 5
    assert reply.json["results"][0]["result"] == []
    assert backend.queue.depths()["waiting"] == 0


def test_no_task_is_queued_by_a_click(backend: Backend, connection: Redis) -> None:
    backend.synced(2)

    client_of(connection, wait_s=0.1).post("/predict", json=body(POINT))

    assert backend.queue.depths()["waiting"] == backend.queue.depths()["interactive"] == 1


def test_only_a_few_wait_so_that_others_are_answered(connection: Redis) -> None:
    """The web process has twelve threads; one more person gets an empty answer at once."""
    client = client_of(connection, wait_s=6)
    waiting = [
        threading.Thread(
            target=client.application.test_client().post, args=("/predict",), kwargs={"json": body(POINT)}
        )
        for _ in range(MOST_WAITING)
    ]
    for thread in waiting:
        thread.start()
    queue = JobQueue(connection).queue(INTERACTIVE_QUEUE)
    while queue.count < MOST_WAITING:
        time.sleep(0.01)
    started = time.monotonic()

    reply: Any = client.post("/predict", json=body(POINT))

    assert time.monotonic() - started < 3
    assert reply.json["results"][0]["result"] == []
    assert queue.count == MOST_WAITING
    for thread in waiting:
        thread.join()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (body(POINT, tasks=(5, 6)), "one task"),
        (body("a"), "list of regions"),
        ({**body(), "params": {"context": {"result": {"a": 1}}}}, "list of regions"),
        ({**body(POINT), "project": None}, "project"),
    ],
)
def test_what_is_no_such_request_is_refused_with_the_reason(
    client: FlaskClient, sent: dict[str, Any], words: str
) -> None:
    reply: Any = client.post("/predict", json=sent)

    assert reply.status_code == 400
    assert words in reply.json["error"]
