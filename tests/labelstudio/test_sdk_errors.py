"""A Label Studio that fails as the real one cannot be made to: whether to try again, and when."""

import time
from typing import Any

import pytest

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import (
    LabelStudioUnavailableError,
    NotFoundError,
    RequestRefusedError,
    TokenRefusedError,
)
from tests.labelstudio.loopback import Answer, Asked, Loopback, json_answer

VERSION = "oneshot-test-0123456789ab"
LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>
</View>
"""


def _item(task: int) -> dict[str, Any]:
    return {"task": task, "model_version": VERSION, "result": []}


def _replace(client: LabelStudio, project: int, *items: dict[str, Any]) -> None:
    client.replace_predictions(project, VERSION, items, label_config=LABEL_CONFIG)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (json_answer({"detail": "database is locked"}, 500), LabelStudioUnavailableError, "is locked"),
        (Answer(b"<html>bad gateway</html>", 502), LabelStudioUnavailableError, "status 502: a web page"),
        (Answer(status=503), LabelStudioUnavailableError, "status 503"),
        (Answer(reset=True), LabelStudioUnavailableError, "is unreachable"),
        (Answer(b'{"id"', declared_length=100), LabelStudioUnavailableError, "is unreachable"),
        (json_answer({"detail": "Invalid token."}, 401), TokenRefusedError, "Invalid token"),
        (json_answer({"detail": "no permission"}, 403), TokenRefusedError, "no permission"),
        (json_answer({"detail": "No Project"}, 404), NotFoundError, "No Project"),
        (json_answer({"validation_errors": {"x": ["wrong"]}}, 400), RequestRefusedError, "'x': .*wrong"),
        (json_answer(["another", "service"]), RequestRefusedError, "answers what cannot be understood"),
    (Answer(b"<!doctype html>", 200), RequestRefusedError, "answers no JSON; check that"),
        (
            Answer(status=301, headers={"Location": "https://studio.example/"}),
            RequestRefusedError,
            "redirects to https://studio.example/: set LABEL_STUDIO_URL",
        ),
    ],
)  # fmt: skip
def test_bad_answers_are_told_apart(
    label_studio_double: Loopback, answer: Answer, error: type[Exception], message: str
) -> None:
    label_studio_double.answers["/api/projects/7/"] = answer

    with (
        LabelStudio(label_studio_double.url, "token") as client,
        pytest.raises(error, match=message) as caught,
    ):
        client.project(7)

    assert str(caught.value).startswith(f"cannot read project 7: Label Studio at {label_studio_double.url} ")


def test_an_overloaded_one_says_when_to_come_back(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/api/projects/7/"] = json_answer({"detail": "slow"}, 429, Retry_After="12")

    with (
        LabelStudio(label_studio_double.url, "token") as client,
        pytest.raises(LabelStudioUnavailableError) as caught,
    ):
        client.project(7)

    assert caught.value.retry_after_s == 12
    assert len(label_studio_double.asked) == 1  # trying again is the queue's


def test_one_that_hangs_is_given_up(label_studio_double: Loopback) -> None:
    label_studio_double.answers["/api/projects/7/"] = Answer(b"{}", pause_s=5)
    started = time.monotonic()

    with (
        LabelStudio(label_studio_double.url, "token", timeout_s=0.2) as client,
        pytest.raises(LabelStudioUnavailableError, match="does not answer in time"),
    ):
        client.project(7)

    assert time.monotonic() - started < 3


def test_one_that_is_not_there_is_told_with_its_address() -> None:
    with (
        LabelStudio("http://127.0.0.1:1", "token") as client,
        pytest.raises(
            LabelStudioUnavailableError, match=r"http://127\.0\.0\.1:1 is unreachable .*LABEL_STUDIO_URL"
        ),
    ):
        client.project(7)


def test_credentials_in_the_address_are_refused_in_a_message_without_them() -> None:
    """A proxy's basic auth and Label Studio's key would need the same header."""
    with pytest.raises(RequestRefusedError, match="without a user name and a password") as caught:
        LabelStudio("http://ann:secret@127.0.0.1:1/", "token")

    assert "secret" not in str(caught.value)
    assert "ann" not in str(caught.value).split()


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://host:port"])
def test_an_address_that_cannot_be_one_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(RequestRefusedError, match="expected LABEL_STUDIO_URL like http://localhost:8080"):
        LabelStudio(url, "token")


def test_a_failed_import_is_told_as_everything_else(label_studio_double: Loopback) -> None:
    """It does not go through the SDK."""
    label_studio_double.answers["/api/predictions/"] = json_answer([])
    label_studio_double.answers["/api/projects/7/import/predictions"] = json_answer({"detail": "locked"}, 500)

    with (
        LabelStudio(label_studio_double.url, "token") as client,
        pytest.raises(LabelStudioUnavailableError, match="locked"),
    ):
        _replace(client, 7, _item(1))


def test_a_prediction_that_someone_else_deletes_is_no_failure(label_studio_double: Loopback) -> None:
    stored = {"id": 5, "task": 1, "model_version": VERSION, "result": []}
    label_studio_double.answers["/api/predictions/"] = json_answer([stored])
    label_studio_double.answers["/api/predictions/5/"] = json_answer({"detail": "Not found."}, 404)
    label_studio_double.answers["/api/projects/7/import/predictions"] = json_answer({"created": 1}, 201)

    with LabelStudio(label_studio_double.url, "token") as client:
        _replace(client, 7, _item(1))

    assert label_studio_double.paths[-1] == "/api/projects/7/import/predictions"


def test_nothing_to_store_asks_nothing(label_studio_double: Loopback) -> None:
    with LabelStudio(label_studio_double.url, "token") as client:
        _replace(client, 7)

    assert label_studio_double.asked == []


def test_below_a_path_everything_is_asked_below_it(label_studio_double: Loopback) -> None:
    """The exchange of a personal access token too."""
    token = "e30.eyJleHAiOjQxMDI0NDQ4MDAsInRva2VuX3R5cGUiOiJyZWZyZXNoIn0.c2ln"
    label_studio_double.answers["/studio/api/token/refresh/"] = json_answer({"access": token})
    label_studio_double.answers["/studio/api/projects/7/"] = _project

    with LabelStudio(label_studio_double.url + "/studio/", token) as client:
        assert client.project(7).title == "seven"


def _project(asked: Asked) -> Answer:
    assert asked.headers["authorization"].startswith("Bearer ")
    return json_answer({"id": 7, "title": "seven", "label_config": "<View/>"})
