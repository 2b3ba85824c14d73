"""Basic auth on every page."""

import base64

import pytest
from redis import Redis

from tests.web.conftest import backend_on

PAGES = [("GET", "/"), ("GET", "/health"), ("GET", "/versions"), ("GET", "/status"), ("POST", "/setup")]
PAGES += [("POST", "/predict"), ("POST", "/webhook"), ("GET", "/nothing")]


@pytest.mark.parametrize(("method", "path"), PAGES)
@pytest.mark.parametrize("auth", [None, ("ada", "wrong"), ("wrong", "pässword"), ("", ""), ("", "pässword")])
def test_nobody_gets_in_without_both(
    connection: Redis, method: str, path: str, auth: tuple[str, str] | None
) -> None:
    client = backend_on(connection, ("ada", "pässword")).client

    response = client.open(path, method=method, auth=auth)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert "basic auth" in response.get_json()["error"]


@pytest.mark.parametrize("header", ["Basic", "Basic !!", "Basic YQ==", "Bearer abc", "Basic /w=="])
def test_a_malformed_header_is_no_way_in(connection: Redis, header: str) -> None:
    client = backend_on(connection, ("ada", "pässword")).client

    assert client.get("/health", headers={"Authorization": header}).status_code == 401


def test_user_name_and_password_open_the_pages(connection: Redis) -> None:
    client = backend_on(connection, ("ada", "pässword")).client

    assert client.get("/health", auth=("ada", "pässword")).status_code == 200
    body = {"project": 2, "action": "START_TRAINING"}
    assert client.post("/webhook", json=body, auth=("ada", "pässword")).status_code == 200


def test_label_studio_sends_letters_beyond_ascii_as_latin_1(connection: Redis) -> None:
    client = backend_on(connection, ("ada", "pässword")).client
    header = "Basic " + base64.b64encode("ada:pässword".encode("latin-1")).decode()

    assert client.get("/health", headers={"Authorization": header}).status_code == 200


def test_letters_beyond_latin_1_are_taken_as_utf_8(connection: Redis) -> None:
    client = backend_on(connection, ("ada", "пароль")).client

    assert client.get("/health", auth=("ada", "пароль")).status_code == 200
    assert client.get("/health", auth=("ada", "")).status_code == 401
