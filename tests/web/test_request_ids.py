"""A request can be followed from whoever sent it to the job that it led to."""

import pytest

from backend.jobs.queue import SYNC_QUEUE
from backend.jobs.request_id import current_request_id
from tests.web.conftest import Backend

EVENT = {"action": "START_TRAINING", "project": {"id": 2}}


def test_a_request_keeps_the_id_that_it_came_with(backend: Backend) -> None:
    response = backend.client.post("/webhook", json=EVENT, headers={"X-Request-ID": "proxy-1:ab/c"})

    (job,) = backend.queue.queue(SYNC_QUEUE).get_jobs()
    assert response.headers["X-Request-ID"] == "proxy-1:ab/c"
    assert job.get_meta()["request_id"] == "proxy-1:ab/c"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "größe"])
def test_an_id_that_would_spoil_the_log_is_replaced(backend: Backend, given: str) -> None:
    ids = [
        backend.client.get("/health", headers={"X-Request-ID": given.encode().decode("latin-1")}).headers[
            "X-Request-ID"
        ]
        for _ in range(2)
    ]

    assert all(len(each) == 32 for each in ids)
    assert ids[0] != ids[1]


def test_a_refused_request_has_an_id_too(backend: Backend) -> None:
    response = backend.client.post(
        "/webhook", data="no JSON", headers={"X-Request-ID": "r-1", "Content-Type": "application/json"}
    )

    assert (response.status_code, response.headers["X-Request-ID"]) == (400, "r-1")


def test_what_comes_after_a_request_does_not_carry_its_id(backend: Backend) -> None:
    backend.client.get("/health", headers={"X-Request-ID": "r-1"})

    assert current_request_id.get() is None
