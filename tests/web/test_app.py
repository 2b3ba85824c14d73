"""The protocol, as Label Studio 1.23.2 speaks it; the bodies are those it was seen to send, shortened."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from markupsafe import escape

from backend.jobs.generations import Generations
from backend.jobs.keys import LATE_SYNCS, ProjectKeys
from backend.jobs.progress import ReferenceNote, TaskProgress
from backend.jobs.queue import OPENED_AT_MOST, OPENED_QUEUE
from tests.web.conftest import VERSION, Backend

CONFIG = '<View><Image name="image" value="$image"/></View>'
SETUP = {
    "project": "2.1795358851",
    "schema": CONFIG,
    "hostname": "http://localhost:8080",
    "access_token": "secret",
}
REVIEW = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 7, "task": 3, "parent_prediction": 5, "result": []},
    "project": {"id": 2},
}


def predict_body(*task_ids: int) -> dict[str, Any]:
    """What Label Studio sends to /predict."""
    tasks = [
        {"id": task_id, "data": {"image": "/data/upload/2/a.png"}, "annotations": []} for task_id in task_ids
    ]
    params = {"login": None, "password": None, "context": None}
    return {"tasks": tasks, "project": "2.1795358851", "label_config": CONFIG, "params": params}


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_is_json_that_says_up(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers={"Accept": "*/*"})

    assert (response.status_code, response.json) == (200, {"status": "UP", "model_class": "oneshot"})


def test_before_a_reference_there_is_a_version_all_the_same(backend: Backend) -> None:
    """Label Studio answers 400 to its user when the version is null."""
    assert backend.client.post("/setup", json=SETUP).json == {"model_version": "oneshot-mobilesam-noref"}
    assert backend.client.get("/versions").json == {"versions": ["oneshot-mobilesam-noref"]}


def test_a_backend_connected_to_a_half_labelled_project_looks_for_its_reference(backend: Backend) -> None:
    for _ in range(3):
        backend.client.post("/setup", json=SETUP)

    assert backend.syncs() == [2]


def test_setup_and_versions_name_the_generation(backend: Backend) -> None:
    backend.synced(2)
    backend.synced(3)

    assert backend.client.post("/setup", json=SETUP).json == {"model_version": VERSION}
    assert backend.client.get("/versions").json == {"versions": [VERSION]}


def test_setup_leads_to_a_sync_when_the_label_config_changed(backend: Backend) -> None:
    backend.progress.set_config(2, "another")
    backend.synced(2)

    backend.client.post("/setup", json=SETUP)
    assert backend.syncs() == [2]

    backend.take_sync(2)
    backend.client.post("/setup", json=SETUP)
    assert backend.syncs() == []


@pytest.mark.parametrize(("has_reference", "age_s", "due"), [(0, 10, 0), (0, 40, 1), (1, 40, 0), (1, 700, 1)])
def test_setup_leads_to_a_sync_when_the_last_is_long_ago(
    backend: Backend, has_reference: bool, age_s: int, due: bool
) -> None:
    """Webhooks get lost; but a sync that makes Label Studio call /setup must not lead to the next at once."""
    backend.client.post("/setup", json=SETUP)
    backend.take_sync(2)
    backend.progress.set_no_reference(2, "nothing annotated")
    if has_reference:
        backend.synced(2)
    synced_at = backend.connection.hget("oneshot:project:2", "synced_at")
    assert isinstance(synced_at, bytes)
    backend.connection.hset("oneshot:project:2", "synced_at", str(float(synced_at) - age_s))

    backend.client.post("/setup", json=SETUP)

    assert backend.syncs() == [2] * due


def test_predict_answers_one_empty_list_per_task_at_once(backend: Backend) -> None:
    """The only answer that Label Studio takes for "not yet": it stores nothing and asks again."""
    backend.synced(2)

    response = backend.client.post("/predict", json=predict_body(5, 6, 7))

    assert response.json == {"results": [[], [], []]}
    assert backend.predictions(OPENED_QUEUE) == [[5, 6], [7]]
    assert backend.syncs() == []


def test_predict_queues_a_task_once_however_often_it_is_asked_for(backend: Backend) -> None:
    backend.synced(2)

    for _ in range(3):
        backend.client.post("/predict", json=predict_body(5))

    assert backend.predictions(OPENED_QUEUE) == [[5]]


def test_what_an_annotator_opened_does_not_wait_behind_a_bulk_run(backend: Backend) -> None:
    """The data manager's "Retrieve predictions" asks for many tasks, an annotator who opens one for one."""
    backend.synced(2)
    many = range(1, OPENED_AT_MOST + 2)

    backend.client.post("/predict", json=predict_body(*many))
    backend.client.post("/predict", json=predict_body(many[-1]))

    assert backend.predictions(OPENED_QUEUE) == [[many[-1]]]
    assert backend.queue.depths()["predict"] > 0


def test_many_tasks_are_queued_in_steps_that_hold_nobody_up(backend: Backend) -> None:
    """Redis does nothing else during a step, and every other request waits for it."""
    backend.synced(2)
    backend.connection.config_resetstat()

    response = backend.client.post("/predict", json=predict_body(*range(1, 10_001)))

    steps = backend.connection.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert len(response.json["results"]) == 10_000  # type: ignore[index]
    assert steps >= 100
    assert backend.progress.snapshot()["projects"][0]["counts"] == {"queued": 10_000}


def test_the_first_prediction_looks_for_the_reference(backend: Backend) -> None:
    response = backend.client.post("/predict", json=predict_body(5, 6))

    assert response.json == {"results": [[], []]}
    assert (backend.syncs(), backend.predictions(OPENED_QUEUE)) == ([2], [])


def test_predict_of_no_task_is_answered(client: FlaskClient) -> None:
    assert client.post("/predict", json=predict_body()).json == {"results": []}


@pytest.mark.parametrize(
    "event",
    [
        {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "result": []}, "task": {"id": 1}},
        {"action": "ANNOTATION_UPDATED", "annotation": {"id": 1, "result": []}, "task": {"id": 1}},
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}]},
        {"action": "ANNOTATIONS_CREATED", "annotation": [{"id": 1}], "task": [{"id": 1}]},
        {"action": "TASKS_CREATED", "tasks": [{"id": 1, "data": {}}]},
        {"action": "TASKS_DELETED", "tasks": [{"id": 1}]},
        {"action": "PROJECT_UPDATED"},
        {"action": "START_TRAINING"},
    ],
    ids=lambda event: event["action"],
)
def test_an_event_that_may_matter_leads_to_one_sync(backend: Backend, event: dict[str, Any]) -> None:
    body = {**event, "project": {"id": 2, "title": "coins"}}

    assert [backend.client.post("/webhook", json=body).status_code for _ in range(2)] == [200, 200]
    assert backend.syncs() == [2]


@pytest.mark.parametrize("action", ["PROJECT_CREATED", "LABEL_LINK_UPDATED", "SOMETHING_NEW"])
def test_other_events_are_ignored(backend: Backend, action: str) -> None:
    assert backend.client.post("/webhook", json={"action": action}).status_code == 200
    assert backend.syncs() == []


def test_a_prediction_that_is_reviewed_leads_to_a_sync_when_there_is_something_to_learn(
    backend: Backend,
) -> None:
    """Label Studio sends one event for each task that is reviewed: the third of three calls for a sync."""
    backend.synced(2)
    Generations(backend.queue).note_missing(2, 3)

    waiting = []
    for _ in range(3):
        assert backend.client.post("/webhook", json=REVIEW).status_code == 200
        waiting.append(backend.queue.depths()["sync"])

    assert waiting == [0, 0, 1]


@pytest.mark.parametrize(("synced_s_ago", "now", "soon"), [(20, 0, True), (61, 1, False)])
def test_reviews_that_teach_nothing_yet_are_counted_by_one_sync_a_minute(
    backend: Backend, synced_s_ago: float, now: int, soon: bool
) -> None:
    """The first sync was so long ago; of the reviews that follow none is learned from by itself."""
    backend.synced(2)
    seconds, _ = backend.connection.time()
    backend.connection.hset(ProjectKeys(2).project, "synced_at", seconds - synced_s_ago)
    Generations(backend.queue).note_missing(2, None)

    for _ in range(3):
        assert backend.client.post("/webhook", json=REVIEW).status_code == 200

    due_at = backend.connection.zscore(LATE_SYNCS, "2")
    assert backend.syncs() == [2] * now
    assert due_at == (pytest.approx(seconds + 60 - synced_s_ago, abs=5) if soon else None)


def test_a_review_of_a_project_that_nobody_knows_leads_to_a_sync(backend: Backend) -> None:
    """Redis may have come back empty."""
    assert backend.client.post("/webhook", json=REVIEW).status_code == 200
    assert backend.queue.depths()["sync"] == 1


def test_deleted_tasks_disappear_from_the_status(backend: Backend) -> None:
    backend.synced(2)
    for task_id in (5, 6):
        backend.progress.record(2, VERSION, TaskProgress(task_id, "done"))

    backend.client.post(
        "/webhook", json={"action": "TASKS_DELETED", "tasks": [{"id": 5}], "project": {"id": 2}}
    )

    assert [task["id"] for task in backend.progress.snapshot()["projects"][0]["tasks"]] == [6]


@pytest.mark.parametrize("project", ["2.1795358851", "2", 2, {"id": 2}])
def test_a_project_comes_in_several_shapes(backend: Backend, project: Any) -> None:
    backend.client.post("/webhook", json={"action": "START_TRAINING", "project": project})

    assert backend.syncs() == [2]


def test_status_is_json_for_programs(backend: Backend) -> None:
    backend.synced(2)
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=3, confidence=0.5, seconds=1.5))

    status = backend.client.get("/status", headers={"Accept": "application/json"}).json

    assert status == backend.progress.snapshot()


def test_status_is_a_page_for_people(backend: Backend) -> None:
    backend.synced(2)
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=3, confidence=0.512, seconds=1.5))
    backend.progress.record(2, VERSION, TaskProgress(6, "failed", reason="expected an image, got <svg>"))
    backend.progress.set_no_reference(3, "no annotation has a brush region")

    page = backend.client.get("/status", headers={"Accept": "text/html"}).text

    assert VERSION in page
    assert "0.51" in page
    assert "failed: expected an image, got &lt;svg&gt;" in page
    assert "No reference yet: no annotation has a brush region" in page
    assert "No worker is running" in page


def test_the_page_warns_of_a_weak_reference(backend: Backend) -> None:
    """In the words that programs get; the label is the annotator's."""
    backend.progress.set_generation(2, VERSION, [ReferenceNote("Nut & <b>Bolt", 1, 2, 3, weak=True)])

    status = backend.client.get("/status", headers={"Accept": "application/json"}).json
    page = backend.client.get("/status", headers={"Accept": "text/html"}).text

    assert status is not None
    (warning,) = status["projects"][0]["warnings"]
    assert "'Nut & <b>Bolt' is weak" in warning
    assert f'<p class="note">{escape(warning)}</p>' in page


def test_the_page_tells_which_searches_a_bound_stopped(backend: Backend) -> None:
    backend.synced(2)
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=300, limits=('300 "places"',)))
    backend.progress.record(2, VERSION, TaskProgress(6, "done", instances=3))

    page = backend.client.get("/status", headers={"Accept": "text/html"}).text

    assert "In 1 task a bound was reached, so things may be missing or joined: 300 &#34;places&#34;." in page
    assert page.count("done at a bound</td>") == 1
    assert 'title="300 &#34;places&#34;"' in page


def test_a_task_at_a_bound_tells_its_reason_too(backend: Backend) -> None:
    """Such as the one image of several that could not be read."""
    backend.synced(2)
    reason = "predicted without 'right'"
    backend.progress.record(
        2, VERSION, TaskProgress(5, "done", reason=reason, instances=9, limits=("9 places",))
    )

    page = backend.client.get("/status", headers={"Accept": "text/html"}).text

    assert page.count("done at a bound: predicted without &#39;right&#39;</td>") == 1


def test_a_browser_at_the_root_gets_the_status(client: FlaskClient) -> None:
    response = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})

    assert (response.status_code, response.location) == (302, "/status")


def test_the_page_of_an_empty_backend_says_what_to_do(client: FlaskClient) -> None:
    assert "Connect this backend" in client.get("/status", headers={"Accept": "text/html"}).text
