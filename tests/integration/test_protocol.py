"""Our web process as the real Label Studio sees it: connected, asked, told of events."""

import base64
from collections.abc import Callable

import numpy as np
import pytest
import redis

from backend.demo.label_studio import LabelStudioServer
from backend.jobs.progress import Progress, ReferenceNote
from backend.jobs.queue import JobQueue
from backend.labelstudio.client import LabelStudio
from tests.annotator import Annotator, brush_region
from tests.stack import Stack

pytestmark = pytest.mark.label_studio

VERSION = "oneshot-mobilesam-1234abcd"
USER, PASSWORD = "backend", "pass:word"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
MASK = np.ones((1, 1), bool)


def jobs(connection: redis.Redis) -> list[str]:
    """Which project each waiting job is about, as ``sync-3`` or ``opened-3``."""
    ids = [job.id for queue in JobQueue(connection).queues() for job in queue.jobs]
    return ["-".join(job.split("-")[:2]) for job in ids]


@pytest.fixture(scope="module")
def guarded(start_web: Callable[..., Stack]) -> Stack:
    """A web process that asks for a password."""
    return start_web("guarded", oneshot_basic_auth_user=USER, oneshot_basic_auth_password=PASSWORD)


@pytest.fixture
def project(annotator: Annotator) -> int:
    """A project without tasks or backend."""
    return annotator.create_project("Protocol")


def test_connecting_shows_a_version_and_queues_one_look_at_the_project(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    """Label Studio asks /health and /setup twice; a half-labelled project is then looked at once."""
    backend = annotator.connect(project, web.url)

    assert backend["state"] == "CO"
    assert backend["model_version"] == "oneshot-mobilesam-noref"
    assert jobs(queue) == [f"sync-{project}"]


def test_retrieving_predictions_without_a_reference_stores_nothing(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    annotator.upload(project, {"a.png": PNG, "b.png": PNG})
    annotator.connect(project, web.url)
    queue.flushall()

    annotator.retrieve_predictions(project)

    assert annotator.predictions(project) == []
    assert jobs(queue) == [f"sync-{project}"]


def test_retrieving_predictions_with_a_reference_queues_each_task_once(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    """Five tasks asked for twice: two jobs, of four tasks and of one; nothing is stored yet."""
    annotator.connect(project, web.url)
    annotator.upload(project, {f"{index}.png": PNG for index in range(5)})
    queue.flushall()
    Progress(queue).set_generation(project, VERSION, [ReferenceNote("Coin", 1, 1, 1)])

    annotator.retrieve_predictions(project)
    annotator.retrieve_predictions(project)

    assert annotator.predictions(project) == []
    assert [job for job in jobs(queue) if job.startswith("opened")] == [f"opened-{project}"] * 2
    assert web.project(project)["counts"] == {"queued": 5}


def test_opening_a_task_queues_it(web: Stack, queue: redis.Redis, annotator: Annotator, project: int) -> None:
    annotator.connect(project, web.url)
    (task,) = annotator.upload(project, {"a.png": PNG})
    queue.flushall()
    Progress(queue).set_generation(project, VERSION, [ReferenceNote("Coin", 1, 1, 1)])

    annotator.request("GET", f"/api/tasks/{task}")

    assert Progress(queue).states(project, [task]) == {task: "queued"}
    assert jobs(queue)[0] == f"opened-{project}"


def test_a_task_with_our_prediction_is_not_asked_for_again(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    """Label Studio compares the predictions it holds with the version that /setup names."""
    annotator.connect(project, web.url)
    predicted, waiting = annotator.upload(project, {"a.png": PNG, "b.png": PNG})
    queue.flushall()
    Progress(queue).set_generation(project, VERSION, [ReferenceNote("Coin", 1, 1, 1)])
    item = {"task": predicted, "model_version": VERSION, "score": 0.5, "result": []}
    annotator.request("POST", f"/api/projects/{project}/import/predictions", json=[item])

    annotator.retrieve_predictions(project)

    assert Progress(queue).states(project, [predicted, waiting]) == {waiting: "queued"}


def test_every_event_that_matters_queues_a_look_at_the_project(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    """Import, annotate, change, delete: each reaches us and leaves one job; a draft leaves none."""
    annotator.connect(project, web.url)
    tasks: list[int] = []
    annotations: list[int] = []
    region = brush_region(MASK)
    happenings: dict[str, Callable[[], object]] = {
        "import": lambda: tasks.extend(annotator.upload(project, {"a.png": PNG})),
        "annotate": lambda: annotations.append(annotator.annotate(tasks[0], [region])),
        "change": lambda: annotator.update(annotations[0], [region, region]),
        "delete": lambda: annotator.delete(annotations[0]),
    }

    for name, happens in happenings.items():
        queue.flushall()
        happens()
        assert jobs(queue) == [f"sync-{project}"], name


def test_starting_the_training_queues_a_look_at_the_project(
    web: Stack, queue: redis.Redis, annotator: Annotator, project: int
) -> None:
    backend = annotator.connect(project, web.url)
    queue.flushall()

    annotator.request("POST", f"/api/ml/{backend['id']}/train", json={})

    assert jobs(queue) == [f"sync-{project}"]


def test_versions_are_listed(web: Stack, queue: redis.Redis, annotator: Annotator, project: int) -> None:
    backend = annotator.connect(project, web.url)
    Progress(queue).set_generation(project, VERSION, [])

    listed = annotator.request("GET", f"/api/ml/{backend['id']}/versions")

    assert VERSION in listed["versions"]


def test_connecting_without_it_is_refused_with_a_reason(
    guarded: Stack, annotator: Annotator, project: int
) -> None:
    body = {"project": project, "url": guarded.url, "title": "one-shot"}

    answer = annotator.response("POST", "/api/ml", json=body)

    assert answer.status_code == 400
    assert "authentication parameters" in answer.text


def test_the_webhook_is_given_it(
    guarded: Stack, annotator: Annotator, project: int, label_studio: LabelStudioServer
) -> None:
    """Before, an import passes us by; after, it queues a look at the project."""
    annotator.connect(project, guarded.url, user=USER, password=PASSWORD)
    with redis.Redis.from_url(guarded.redis_url) as queue:
        queue.flushall()
        annotator.upload(project, {"unheard.png": PNG})
        assert jobs(queue) == []

        client = LabelStudio(label_studio.url, label_studio.token)
        client.look_after_webhook(project, user=USER, password=PASSWORD)
        client.close()
        queue.flushall()
        annotator.upload(project, {"heard.png": PNG})

        assert jobs(queue) == [f"sync-{project}"]
    assert [hook["headers"] for hook in annotator.webhooks(project)] == [
        {"Authorization": f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"}
    ]
