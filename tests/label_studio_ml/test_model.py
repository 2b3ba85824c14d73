"""The model class as label-studio-ml 2.x uses it, which PyPI does not have: a stand-in with its interface.

1.0.9 itself serves the class in ``tests/e2e/test_label_studio_ml.py``.
"""

import importlib
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from redis import Redis

from backend.jobs.connection import connect
from backend.jobs.interactive import Questions
from backend.jobs.progress import Progress, ReferenceNote
from backend.jobs.queue import INTERACTIVE_QUEUE, OPENED_QUEUE, SYNC_QUEUE, JobQueue

VERSION = "oneshot-mobilesam-0a1b"
CONFIG = '<View><Image name="image" value="$image"/></View>'
EVENTS_OF_2 = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING")
POINT = {"type": "keypointlabels", "value": {"x": 1, "y": 2}, "id": "a"}
STROKE = {"type": "brushlabels", "value": {"rle": [1, 2]}, "id": "b"}


class Base2:
    """What a model of 2.x inherits."""

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self.project_id = project_id or ""
        self.label_config = label_config


@pytest.fixture(name="queue")
def _queue(shared_valkey: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobQueue]:
    """The queue that the settings name, emptied."""
    monkeypatch.setenv("REDIS_URL", shared_valkey)
    monkeypatch.setenv("ONESHOT_SAM", "mobilesam")
    with connect(shared_valkey) as connection:
        connection.flushall()
        yield JobQueue(connection)


@pytest.fixture(name="model_class")
def _model_class(queue: JobQueue, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class, made from the stand-in, without a service of another test."""
    assert queue
    package, model, api = (ModuleType(f"label_studio_ml{name}") for name in ("", ".model", ".api"))
    model.LabelStudioMLBase = Base2  # type: ignore[attr-defined]
    api.TRAIN_EVENTS = EVENTS_OF_2  # type: ignore[attr-defined]
    package.api = api  # type: ignore[attr-defined]
    for module in (package, model, api):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "backend.label_studio_ml.model", raising=False)
    return importlib.import_module("backend.label_studio_ml.model").OneshotModel


def server(model_class: Any) -> Flask:
    """The two of 2.x's answers that do not come from the model."""
    app = Flask(__name__)

    @app.post("/setup")
    def setup() -> ResponseReturnValue:
        body = request.get_json()
        model_class(project_id=body["project"].split(".")[0], label_config=body["schema"])
        return jsonify(model_version="0.0.1")

    @app.post("/broken")
    def broken() -> ResponseReturnValue:
        model_class(project_id="2", label_config=CONFIG)
        return jsonify(error="no"), 500

    return app


def jobs(queue: JobQueue, name: str) -> list[Any]:
    return [job.kwargs for job in queue.queue(name).get_jobs()]


def synced(queue: JobQueue) -> None:
    Progress(queue.connection).set_generation(2, VERSION, [ReferenceNote("Coin", 1, 2, 3)])


def test_setup_names_our_generation_and_looks_for_a_reference(model_class: Any, queue: JobQueue) -> None:
    client = server(model_class).test_client()
    body = {"project": "2.1795358851", "schema": CONFIG, "hostname": "http://localhost:8080"}

    assert client.post("/setup", json=body).json == {"model_version": "oneshot-mobilesam-noref"}
    assert jobs(queue, SYNC_QUEUE) == [{"project_id": 2}]

    synced(queue)
    assert client.post("/setup", json=body).json == {"model_version": VERSION}
    assert client.post("/broken", json=body).json == {"error": "no"}


@pytest.mark.usefixtures("model_class")
def test_the_server_of_2_passes_on_events_that_it_does_not_know() -> None:
    """Deletions stand in its list by a name that Label Studio does not use; new tasks do not at all."""
    passed_on = sys.modules["label_studio_ml.api"].TRAIN_EVENTS

    assert {"ANNOTATIONS_DELETED", "TASKS_CREATED", *EVENTS_OF_2} <= set(passed_on)


def test_predict_queues_tasks_and_says_not_yet(model_class: Any, queue: JobQueue) -> None:
    """2.x names the project to the model; 1.0.9 does not, but it stands in each task."""
    synced(queue)

    assert model_class(project_id="2").predict([{"id": 5}, {"id": 6}], context=None) == [[], []]
    assert model_class().predict([{"id": 7, "project": 2}], login=None, password=None, context=None) == [[]]
    assert model_class(project_id="2").predict([]) == []
    assert [job["task_ids"] for job in jobs(queue, OPENED_QUEUE)] == [[5, 6], [7]]


def test_a_smart_tool_gets_what_a_worker_found(model_class: Any, queue: JobQueue, shared_valkey: str) -> None:
    def answer() -> None:
        with Redis.from_url(shared_valkey) as connection:
            theirs = JobQueue(connection)
            while not (found := theirs.queue(INTERACTIVE_QUEUE).get_jobs()):
                time.sleep(0.01)
            Questions(theirs).answer(found[0].id, [{"id": "found"}])

    worker = threading.Thread(target=answer)
    worker.start()
    context = {"result": [POINT, STROKE]}

    found = model_class(project_id="2").predict([{"id": 5}], context=context)

    worker.join()
    assert found == [{"result": [{"id": "found"}], "model_version": "oneshot-mobilesam-noref"}]
    (job,) = jobs(queue, INTERACTIVE_QUEUE)
    assert (job["project_id"], job["task_id"], job["regions"]) == (2, 5, [POINT, STROKE])


@pytest.mark.parametrize("event", ["ANNOTATION_CREATED", "ANNOTATIONS_DELETED", "START_TRAINING"])
def test_every_event_that_may_change_the_reference_leads_to_a_look(
    model_class: Any, queue: JobQueue, event: str
) -> None:
    """2.x calls ``fit``; 1.0.9 ``process_event``, also with what it does not count as training."""
    data = {"project": {"id": 2}, "annotation": {"id": 1, "result": []}, "annotations": [{"id": 1}]}

    assert model_class(project_id="2").fit(event=event, data=data, job_id="1") == {}
    assert model_class().process_event(event, data, "1", {"workdir": "/tmp/1"}) == {}  # noqa: S108

    assert jobs(queue, SYNC_QUEUE) == [{"project_id": 2}]
