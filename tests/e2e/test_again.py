"""What happens a second time leaves one prediction per task, and what a reviewer does is no reference."""

import pytest
import redis
import requests

from backend.demo.coins import DemoImage, reference_mask
from backend.jobs.queue import JobQueue
from tests.annotator import Annotator, brush_region
from tests.e2e.conftest import CoinProject
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]


def _ids(annotator: Annotator, project: int) -> dict[int, list[int]]:
    held: dict[int, list[int]] = {}
    for row in annotator.predictions(project):
        held.setdefault(row["task"], []).append(row["id"])
    return held


def test_a_second_run_changes_nothing(stack: Stack, annotator: Annotator, coin_project: CoinProject) -> None:
    """Retrieve predictions, start training, open a task: everything is there already."""
    before = _ids(annotator, coin_project.id)
    backend = annotator.request("GET", f"/api/ml?project={coin_project.id}")[0]["id"]

    annotator.retrieve_predictions(coin_project.id)
    annotator.request("POST", f"/api/ml/{backend}/train", json={})
    annotator.request("GET", f"/api/tasks/{coin_project.tasks['coins-2']}")
    stack.wait_until_idle()

    assert _ids(annotator, coin_project.id) == before


def test_a_job_run_twice_leaves_one_prediction(
    stack: Stack, annotator: Annotator, coin_project: CoinProject
) -> None:
    """The second job finds the first one's prediction and replaces it."""
    version, task = stack.project(coin_project.id)["model_version"], coin_project.tasks["coins-4"]
    with redis.Redis.from_url(stack.redis_url) as connection:
        queue = JobQueue(connection)
        for _ in range(2):
            queue.enqueue_tasks(coin_project.id, version, [task])
            stack.wait_until_idle()

    assert [len(ids) for ids in _ids(annotator, coin_project.id).values()] == [1] * 7


def test_an_accepted_prediction_is_no_reference(
    stack: Stack, annotator: Annotator, coin_project: CoinProject
) -> None:
    """The reviewer opens a task, sees the predicted masks, and submits them as they are."""
    before = stack.project(coin_project.id)
    task = coin_project.tasks["coins-7"]
    prediction = next(row for row in annotator.predictions(coin_project.id) if row["task"] == task)

    annotator.annotate(task, prediction["result"], parent_prediction=prediction["id"])
    stack.wait_until_idle()

    after = stack.project(coin_project.id)
    assert after["references"] == before["references"]
    assert after["model_version"] == before["model_version"]


def test_a_project_half_labelled_before_connection_is_predicted(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """Connecting is enough: nobody annotates, nobody asks for predictions."""
    project = annotator.create_project("Half labelled")
    labelled, waiting = annotator.upload(
        project, {"first.png": coins["coins-1"].png(), "second.png": coins["coins-4"].png()}
    )
    annotator.annotate(labelled, [brush_region(reference_mask(coins["coins-1"]))])

    annotator.connect(project, stack.url)

    assert stack.wait_for_tasks(project, [waiting])[waiting]["state"] == "done"
    assert [row["task"] for row in annotator.predictions(project)] == [waiting]


def test_a_task_imported_later_is_predicted(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    project = annotator.create_project("Grows")
    (labelled,) = annotator.upload(project, {"first.png": coins["coins-1"].png()})
    annotator.connect(project, stack.url)
    annotator.annotate(labelled, [brush_region(reference_mask(coins["coins-1"]))])
    stack.wait_until_idle()

    (later,) = annotator.upload(project, {"later.png": coins["coins-4"].png()})

    assert stack.wait_for_tasks(project, [later])[later]["state"] == "done"


def test_a_better_reference_replaces_every_prediction(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    """The annotator repaints the mask: that is a new generation."""
    project = annotator.create_project("Repainted")
    labelled, waiting = annotator.upload(
        project, {"first.png": coins["coins-1"].png(), "second.png": coins["coins-4"].png()}
    )
    annotator.connect(project, stack.url)
    annotation = annotator.annotate(labelled, [brush_region(coins["coins-1"].masks[0])])
    stack.wait_for_tasks(project, [waiting])
    first = stack.project(project)["model_version"]

    annotator.update(annotation, [brush_region(coins["coins-1"].masks[1])])
    stack.wait_for(lambda: stack.project(project)["model_version"] != first, what="a new generation")
    stack.wait_for_tasks(project, [waiting])

    second = stack.project(project)["model_version"]
    assert [row["task"] for row in annotator.predictions(project) if row["model_version"] == second] == [
        waiting
    ]


def test_without_its_reference_a_project_waits_for_another(
    stack: Stack, annotator: Annotator, coins: dict[str, DemoImage]
) -> None:
    project = annotator.create_project("Reference deleted")
    (labelled,) = annotator.upload(project, {"first.png": coins["coins-1"].png()})
    annotator.connect(project, stack.url)
    annotation = annotator.annotate(labelled, [brush_region(reference_mask(coins["coins-1"]))])
    stack.wait_for(lambda: bool(stack.project(project).get("references")), what="the reference is known")

    annotator.delete(annotation)

    stack.wait_for(lambda: not stack.project(project)["references"], what="the reference is gone")
    assert stack.project(project)["model_version"] is None
    assert stack.project(project)["reason"]


def test_a_request_for_an_unknown_project_harms_nobody(stack: Stack) -> None:
    body = {
        "tasks": [{"id": 1, "data": {"image": "/x.png"}}],
        "project": "999999.1",
        "label_config": "",
        "params": {},
    }

    answer = requests.post(f"{stack.url}/predict", json=body, timeout=10)
    stack.wait_until_idle()

    assert answer.json() == {"results": [[]]}
    stack.require_running()
