"""The status page's buttons, pictures and protection, without a browser."""

import re

import pytest
from redis import Redis

from backend.jobs.generations import Generations
from backend.jobs.pictures import Pictures
from backend.jobs.progress import ReferenceNote, TaskProgress
from backend.jobs.runs import Runs
from tests.web.conftest import VERSION, Backend, backend_on

PAGE = {"Accept": "text/html"}
PROGRAM = {"Accept": "application/json"}
JPEG = b"\xff\xd8\xff\xe0 not UTF-8"


def fail(backend: Backend, *task_ids: int) -> None:
    """Let tasks fail."""
    backend.synced(2)
    for task_id in task_ids:
        backend.progress.record(2, VERSION, TaskProgress(task_id, "failed", reason="image gone"))


def test_the_run_button_looks_for_the_reference(backend: Backend) -> None:
    """A form's answer leads back to the page, at the project, with a word on what was done."""
    response = backend.client.post("/projects/2/run", headers=PAGE)

    assert response.status_code == 303
    assert response.location == "/status?did=run&project=2&amount=1#project-2"
    assert backend.syncs() == [2]
    page = backend.client.get(response.location, headers=PAGE).text
    assert "Project 2: the run starts." in page


def test_programs_press_the_buttons_too(backend: Backend) -> None:
    fail(backend, 5, 6, 7)

    retried = backend.client.post("/projects/2/retry-failed", headers=PROGRAM).json
    started = [backend.client.post("/projects/3/run", headers=PROGRAM).json for _ in range(2)]
    cancelled = backend.client.post("/projects/2/cancel", headers=PROGRAM).json
    warm_up = backend.client.post("/projects/3/warm-up", headers=PROGRAM).json

    assert retried == {"action": "retry-failed", "project": 2, "tasks": 3}
    assert started == [
        {"action": "run", "project": 3, "started": True},
        {"action": "run", "project": 3, "started": False},
    ]
    assert cancelled == {"action": "cancel", "project": 2, "tasks": 3}
    assert warm_up == {"action": "warm-up", "project": 3, "started": True}
    run = Runs(backend.queue).run(2)
    assert run is not None
    assert run.state == "cancelled"


def test_programs_steer_what_is_learned(backend: Backend) -> None:
    """Each button queues one sync; pressed again, or for what is not there, it changes nothing."""
    generations = Generations(backend.queue)
    generations.keep(2, VERSION, references=[("Coin", 7)])

    def press(path: str) -> object:
        return backend.client.post(f"/projects/2/{path}", headers=PROGRAM).json

    assert [press("learn-now") for _ in range(2)] == [
        {"action": "learn-now", "project": 2, "started": True},
        {"action": "learn-now", "project": 2, "started": False},
    ]
    assert [press(f"annotations/7/{action}") for action in ("exclude", "exclude", "include", "include")] == [
        {"action": "exclude", "project": 2, "changed": True},
        {"action": "exclude", "project": 2, "changed": False},
        {"action": "include", "project": 2, "changed": True},
        {"action": "include", "project": 2, "changed": False},
    ]
    assert [press(f"generations/{version}/make-current") for version in (VERSION, "oneshot-tiny-gone")] == [
        {"action": "make-current", "project": 2, "changed": True},
        {"action": "make-current", "project": 2, "changed": False},
    ]
    assert generations.wishes(2).pin == VERSION
    assert backend.syncs() == [2]


def test_the_page_says_what_became_of_a_button_of_learning(backend: Backend) -> None:
    backend.synced(2)

    response = backend.client.post("/projects/2/annotations/7/exclude", headers=PAGE)

    assert response.status_code == 303
    page = backend.client.get(response.location, headers=PAGE).text
    assert "Project 2: that annotation teaches nothing any more." in page
    assert 'action="/projects/2/annotations/7/include"' in page


def test_start_training_learns_from_everything_that_was_reviewed(backend: Backend) -> None:
    event = {"action": "START_TRAINING", "project": {"id": 2}}

    assert backend.client.post("/webhook", json=event).status_code == 200

    assert Generations(backend.queue).wishes(2).asked
    assert backend.syncs() == [2]


def test_where_nothing_is_ever_learned_who_asks_for_it_is_told(connection: Redis) -> None:
    """Programs and browsers; *Start training* in Label Studio looks for the reference all the same."""
    backend = backend_on(connection, learns=False)

    answers = [backend.client.post("/projects/2/learn-now", headers=each) for each in (PROGRAM, PAGE)]
    waiting = backend.syncs()
    backend.client.post("/webhook", json={"action": "START_TRAINING", "project": {"id": 2}})

    assert [each.status_code for each in answers] == [409, 409]
    assert all("got never: nothing is learned from reviews" in each.text for each in answers)
    assert (waiting, backend.syncs()) == ([], [2])
    assert Generations(backend.queue).wishes(2).asked is None


@pytest.mark.parametrize(
    "path",
    [
        "/projects/2/drop",
        "/projects/two/run",
        "/projects/0/run",
        f"/projects/{2**63}/run",
        "/projects/2/annotations/0/exclude",
        f"/projects/2/annotations/{2**63}/exclude",
        "/projects/2/annotations/7/drop",
        "/projects/2/generations/a/b/make-current",
        "/projects/0/generations/a/make-current",
    ],
)
def test_what_is_no_button_is_not_found(backend: Backend, path: str) -> None:
    assert backend.client.post(path, headers=PROGRAM).status_code == 404


def test_looking_presses_no_button(backend: Backend) -> None:
    """A link, an image or a prefetch sends GET."""
    assert backend.client.get("/projects/2/run").status_code == 405
    assert backend.syncs() == []


@pytest.mark.parametrize(
    "query",
    [
        "did=run",
        "did=explode&project=2&amount=1",
        "did=run&project=²&amount=1",
        "did=run&project=2&amount=-1",
        "did=cancel&project=2&amount=<b>",
    ],
)
def test_the_page_says_nothing_that_somebody_else_wrote_into_its_address(
    backend: Backend, query: str
) -> None:
    page = backend.client.get(f"/status?{query}", headers=PAGE).text

    assert '<div id="notice" role="status"></div>' in page


def test_pictures_are_handed_out_as_they_are(backend: Backend) -> None:
    backend.synced(2)
    pictures = Pictures(backend.connection)
    pictures.put_task(2, VERSION, 5, JPEG)
    pictures.put_references(2, {(7, "Nut: M3/4 & co"): JPEG})

    task = backend.client.get("/projects/2/tasks/5.jpg")
    reference = backend.client.get("/projects/2/references/7.jpg", query_string={"label": "Nut: M3/4 & co"})

    for response in (task, reference):
        assert (response.data, response.mimetype) == (JPEG, "image/jpeg")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "private" in response.headers["Cache-Control"]
    assert backend.client.get("/projects/2/tasks/6.jpg").status_code == 404


def test_the_page_shows_the_pictures_there_are(backend: Backend) -> None:
    notes = [ReferenceNote("Nut & co", 1, 7, 1), ReferenceNote("Bolt", 1, 8, 1)]
    backend.progress.set_generation(2, VERSION, notes)
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=3))
    Pictures(backend.connection).put_task(2, VERSION, 5, JPEG)
    Pictures(backend.connection).put_references(2, {(7, "Nut & co"): JPEG})

    page = backend.client.get("/status", headers=PAGE).text

    assert (
        f"/projects/2/references/7.jpg?label=Nut+%26+co&amp;of={VERSION}" in page
        or f"/projects/2/references/7.jpg?label=Nut%20%26%20co&amp;of={VERSION}" in page
    )
    assert page.count("no picture kept") == 1
    assert "/projects/2/tasks/5.jpg" in page


def test_a_page_loads_and_runs_nothing_but_its_own(backend: Backend) -> None:
    backend.progress.set_generation(2, VERSION, [ReferenceNote("<script>alert(1)</script>", 1, 7, 1)])

    response = backend.client.get("/status", headers=PAGE)

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>alert" not in response.text


def test_links_lead_to_where_browsers_find_label_studio(backend: Backend) -> None:
    """It says so itself in /setup; what is no web address never becomes a link."""
    setup = {"project": "2.1", "schema": "<View/>", "hostname": "https://labels.example/ls/"}
    backend.synced(2)
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=3))

    assert "data?task=5" not in backend.client.get("/status", headers=PAGE).text
    backend.client.post("/setup", json=setup)
    backend.client.post("/setup", json=setup | {"hostname": "javascript:alert(1)"})
    backend.client.post("/setup", json=setup | {"hostname": ["http://evil.example"]})

    assert (
        'href="https://labels.example/ls/projects/2/data?task=5"'
        in backend.client.get("/status", headers=PAGE).text
    )


def test_projects_stay_in_their_places_while_work_goes_on(backend: Backend) -> None:
    """Those with a run come first, the newest on top; which one changed last does not matter."""
    for project_id in (2, 3, 4, 5):
        backend.progress.set_generation(project_id, VERSION, [])
    for project_id in (4, 2):
        Runs(backend.queue).start(project_id)
    backend.progress.record(3, VERSION, TaskProgress(1, "done", instances=1))

    page = backend.client.get("/status", headers=PAGE).text

    assert re.findall(r'id="project-(\d+)"', page) == ["4", "2", "5", "3"]
