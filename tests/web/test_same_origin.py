"""Which requests come from our own pages, or from no page at all."""

import pytest

from tests.web.conftest import Backend

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost", "Content-Type": FORM}, 200),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content-Type": FORM}, 403),
        ({"Content-Type": "text/plain"}, 403),
        ({"Content-Type": "application/json"}, 200),
        ({}, 200),
    ],
    ids=str,
)
def test_only_our_own_pages_and_programs_may_change_anything(
    backend: Backend, headers: dict[str, str], status: int
) -> None:
    response = backend.client.post("/projects/2/run", headers={"Accept": "application/json", **headers})

    assert response.status_code == status
    assert backend.syncs() == ([2] if status == 200 else [])


def test_everybody_who_may_see_it_may_link_to_it(backend: Backend) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}

    assert backend.client.get("/status", headers=headers).status_code == 200
