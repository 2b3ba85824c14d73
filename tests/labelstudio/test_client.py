"""Every call that the worker makes, on the real Label Studio."""

import io
import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from backend.demo.label_studio import LabelStudioServer
from backend.labelstudio.client import LabelStudio, Task
from backend.labelstudio.errors import (
    FetchRefusedError,
    NotFoundError,
    PredictionRefusedError,
    RequestRefusedError,
    TokenRefusedError,
)
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits, decode_image
from backend.labelstudio.label_config import image_controls
from backend.labelstudio.references import pick_references
from backend.labelstudio.regions import ScoredMask, prediction
from tests.annotator import Annotator, annotator_at, brush_region, region_mask
from tests.labelstudio.loopback import Loopback, json_answer

LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image">
    <Label value="Coin"/><Label value="Münze &quot;alt&quot;"/><Label value="Shown" alias="stored"/>
  </BrushLabels>
</View>
"""
CONTROL = image_controls(LABEL_CONFIG)[0]
COIN, MUENZE, STORED = CONTROL.labels
SIZE = (30, 40)
MASK = np.zeros(SIZE, bool)
MASK[5:12, 20:30] = True
VERSION = "oneshot-test-0123456789ab"
_numbers = itertools.count()

pytestmark = pytest.mark.label_studio


@pytest.fixture
def annotator(label_studio: LabelStudioServer) -> Annotator:
    return annotator_at(label_studio)


@pytest.fixture
def client(label_studio: LabelStudioServer) -> Iterator[LabelStudio]:
    with LabelStudio(label_studio.url, label_studio.token) as opened:
        yield opened


@pytest.fixture
def project(annotator: Annotator) -> int:
    return annotator.create_project(f"client {next(_numbers)}", label_config=LABEL_CONFIG)


def _png(value: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((*SIZE, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def _upload(annotator: Annotator, project: int, count: int) -> list[int]:
    return annotator.upload(project, {f"{each}.png": _png(10 * each) for each in range(count)})


def _item(task: int, *masks: ScoredMask, version: str = VERSION) -> dict[str, Any]:
    return prediction(task, version, dict.fromkeys(CONTROL.labels, CONTROL), SIZE, masks)


def _replace(client: LabelStudio, project: int, *items: dict[str, Any], version: str = VERSION) -> None:
    client.replace_predictions(project, version, items, label_config=LABEL_CONFIG)


def _new_users_token(url: str) -> str:
    """A personal access token of a user who has just signed up."""
    with requests.Session() as session:
        session.get(f"{url}/user/signup/", timeout=60)
        form = {
            "email": f"user{time.time_ns()}@example.com",
            "password": "Passw0rd!x",
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        signed_up = session.post(
            f"{url}/user/signup/", data=form, headers={"Referer": url}, timeout=60, allow_redirects=False
        )
        assert signed_up.status_code == 302, re.sub(r"\s+", " ", signed_up.text)[:2000]
        reply = session.post(
            f"{url}/api/token/",
            headers={"X-CSRFToken": session.cookies["csrftoken"], "Referer": url},
            timeout=60,
        )
        assert reply.status_code == 201, reply.text[:500]
        return str(reply.json()["token"])


def test_the_user_and_the_project_are_read(client: LabelStudio, project: int) -> None:
    found = client.project(project)

    assert client.user() == "demo@example.com"
    assert image_controls(found.label_config)[0] == CONTROL
    assert (found.id, found.ground_truths) == (project, 0)
    assert found.title.startswith("client ")


def test_an_unknown_project_is_not_found(client: LabelStudio) -> None:
    with pytest.raises(NotFoundError, match=r"cannot read project 999999: .* status 404"):
        client.project(999_999)


def test_a_wrong_token_is_refused_with_what_to_do(label_studio: LabelStudioServer) -> None:
    with (
        LabelStudio(label_studio.url, "f" * 40) as client,
        pytest.raises(TokenRefusedError, match="Set LABEL_STUDIO_API_KEY"),
    ):
        client.project(1)


def test_tasks_come_with_their_raw_addresses(client: LabelStudio, annotator: Annotator, project: int) -> None:
    addresses = ["s3://bucket/a.png", "https://example.com/b.png"]
    tasks = annotator.import_addresses(project, addresses)

    found = client.tasks(project, [*tasks, 999_999])

    assert found == [Task(task, {"image": uri}) for task, uri in zip(tasks, addresses, strict=True)]
    assert client.tasks(project, []) == []


def test_a_project_without_tasks_has_none_that_are_annotated(client: LabelStudio, project: int) -> None:
    """Label Studio's own filter for annotations that exist fails there, with status 500."""
    assert list(client.iter_annotated_tasks(project)) == []


def test_annotated_tasks_come_with_the_ids_of_their_annotations(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    twice, _, skipped = _upload(annotator, project, 3)
    ids = [annotator.annotate(twice, [brush_region(MASK)]) for _ in range(2)]
    annotator.annotate(skipped, [], was_cancelled=True)

    (found,) = client.iter_annotated_tasks(project)

    assert (found.id, found.count) == (twice, 2)
    assert sorted(int(each) for each in found.annotation_ids.split(",")) == ids


def test_a_project_has_other_projects_tasks_not(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    other = _upload(annotator, annotator.create_project("another"), 1)

    assert client.tasks(project, other) == []


def test_unfinished_tasks_have_no_annotation_and_no_prediction_of_the_version(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """A skipped task and one with another version's prediction are unfinished."""
    annotated, predicted, empty, skipped, otherwise, untouched = _upload(annotator, project, 6)
    annotator.annotate(annotated, [brush_region(MASK)])
    annotator.annotate(skipped, [], was_cancelled=True)
    _replace(client, project, _item(predicted, ScoredMask(COIN, MASK, 0.5)), _item(empty))
    _replace(client, project, _item(otherwise, version="older"), version="older")

    page = client.task_page(project, without_version=VERSION)

    assert [task.id for task in page.tasks] == [skipped, otherwise, untouched]
    assert page.left == 0


def test_more_tasks_than_a_page_are_listed_once_each_even_if_some_are_finished_meanwhile(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """A worker finishes the first page while the second is still to be asked for."""
    tasks = annotator.import_addresses(project, [f"https://example.com/{each}.png" for each in range(230)])

    found: list[int] = []
    left: list[int] = []
    while not left or left[-1]:
        page = client.task_page(project, after_id=found[-1] if found else 0, without_version=VERSION)
        if not found:
            _replace(client, project, *[_item(each) for each in tasks[:100]])
        found += [task.id for task in page.tasks]
        left.append(page.left)

    assert found == tasks
    assert left == [130, 30, 0]


def test_a_page_may_be_short_and_hold_finished_tasks(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    tasks = annotator.import_addresses(project, [f"https://example.com/{each}.png" for each in range(5)])
    _replace(client, project, _item(tasks[0]))

    page = client.task_page(project, after_id=tasks[0], limit=3)

    assert [task.id for task in page.tasks] == tasks[1:4]
    assert page.left == 1


def test_the_projects_that_use_our_backend_are_found(
    client: LabelStudio, annotator: Annotator, project: int, label_studio_double: Loopback
) -> None:
    """Also when Redis has forgotten them: by the version that Label Studio was told."""
    label_studio_double.answers["/health"] = json_answer({"status": "UP"})
    label_studio_double.answers["/setup"] = json_answer({"model_version": VERSION})

    assert project in client.project_ids()
    assert client.backend_versions(project) == []
    annotator.connect(project, label_studio_double.url)
    assert client.backend_versions(project) == [VERSION]


def test_references_are_picked_from_what_people_painted(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """The older task is annotated last: creation counts. Quotes, umlauts and an alias in labels are found."""
    first, second, third = _upload(annotator, project, 3)
    annotator.annotate(third, [], was_cancelled=True)
    oldest = annotator.annotate(second, [brush_region(MASK, label=COIN), brush_region(MASK, label=MUENZE)])
    newest = annotator.annotate(first, [brush_region(~MASK, label=COIN), brush_region(MASK, label=STORED)])
    annotator.annotate(second, [brush_region(~MASK, label=COIN)])

    picked = pick_references(client.annotations(project), [CONTROL])

    assert {label: each.annotation_id for label, each in picked.by_label.items()} == {
        COIN: oldest, MUENZE: oldest, STORED: newest,
    }  # fmt: skip
    assert np.array_equal(picked.by_label[COIN].masks[0], MASK)
    assert picked.by_label[STORED].image_uri == client.tasks(project, [first])[0].data["image"]


def test_an_accepted_prediction_is_no_reference(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """The reviewer submits the prediction as it is: Label Studio notes where it came from."""
    accepted, painted = _upload(annotator, project, 2)
    _replace(client, project, _item(accepted, ScoredMask(COIN, MASK, 0.5)))
    (stored,) = annotator.predictions(project)
    annotator.annotate(accepted, stored["result"], parent_prediction=stored["id"])

    assert pick_references(client.annotations(project), [CONTROL]).by_label == {}
    annotator.annotate(painted, [brush_region(MASK)])
    assert pick_references(client.annotations(project), [CONTROL]).by_label[COIN].task_id == painted


def test_a_starred_annotation_wins(client: LabelStudio, annotator: Annotator, project: int) -> None:
    first, second = _upload(annotator, project, 2)
    annotator.annotate(first, [brush_region(MASK)])
    starred = annotator.annotate(second, [brush_region(MASK)], ground_truth=True)

    assert pick_references(client.annotations(project), [CONTROL]).by_label[COIN].annotation_id == starred


def test_a_reviewed_prediction_that_is_starred_later_wins(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    painted, accepted = _upload(annotator, project, 2)
    first = annotator.annotate(painted, [brush_region(MASK)])
    _replace(client, project, _item(accepted, ScoredMask(COIN, MASK, 0.5)))
    (stored,) = annotator.predictions(project)
    review = annotator.annotate(accepted, stored["result"], parent_prediction=stored["id"])
    picked = [pick_references(client.annotations(project), [CONTROL]).by_label[COIN].annotation_id]

    annotator.request("PATCH", f"/api/annotations/{review}/", json={"ground_truth": True})
    picked.append(pick_references(client.annotations(project), [CONTROL]).by_label[COIN].annotation_id)

    assert picked == [first, review]


def test_a_prediction_pushed_twice_is_there_once(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """Another version's stays."""
    task, empty = _upload(annotator, project, 2)
    _replace(client, project, _item(task, version="older"), version="older")
    item = _item(task, ScoredMask(COIN, MASK, 0.5), ScoredMask(STORED, ~MASK, 1.0))

    for _ in range(2):
        _replace(client, project, item, _item(empty))

    stored = {(each["task"], each["model_version"]): each for each in annotator.predictions(project)}
    assert set(stored) == {(task, "older"), (task, VERSION), (empty, VERSION)}
    assert len(annotator.predictions(project)) == 3
    assert stored[empty, VERSION]["result"] == []
    coin, other = stored[task, VERSION]["result"]
    assert np.array_equal(region_mask(coin), MASK)
    assert (coin["score"], other["score"], stored[task, VERSION]["score"]) == (0.5, 1.0, 0.75)


def test_tasks_say_which_versions_they_have_so_that_who_has_none_need_not_be_asked(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    first, second = _upload(annotator, project, 2)
    before = client.tasks(project, [first, second])

    for version in (VERSION, "another-1"):
        items = [_item(task, version=version) for task in (first, second)]
        client.replace_predictions(
            project, version, items, label_config=LABEL_CONFIG, without=[first, second]
        )
    client.replace_predictions(project, VERSION, [_item(first)], label_config=LABEL_CONFIG, without=[second])

    assert [task.model_versions for task in before] == [frozenset()] * 2
    both = frozenset({VERSION, "another-1"})
    assert [task.model_versions for task in client.tasks(project, [first, second])] == [both, both]
    assert len(annotator.predictions(project)) == 4


def test_of_two_predictions_of_a_version_the_newest_is_kept(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """Another version's, and other tasks', stay."""
    first, second = _upload(annotator, project, 2)
    for version in (VERSION, VERSION, "another-1"):
        items = [_item(task, version=version) for task in (first, second)]
        client.replace_predictions(
            project, version, items, label_config=LABEL_CONFIG, without=[first, second]
        )
    newest = max(
        each["id"]
        for each in annotator.predictions(project)
        if (each["task"], each["model_version"]) == (first, VERSION)
    )

    client.keep_newest_prediction(first, VERSION)

    stored = [(each["task"], each["model_version"]) for each in annotator.predictions(project)]
    assert sorted(stored) == sorted(
        [(first, VERSION), (first, "another-1"), *[(second, VERSION)] * 2, (second, "another-1")]
    )
    assert newest in {each["id"] for each in annotator.predictions(project)}


def test_a_prediction_that_label_studio_would_drop_is_refused(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    """The label config was changed after the job began; the old prediction is gone, none came."""
    (task,) = _upload(annotator, project, 1)
    item = _item(task, ScoredMask(COIN, MASK, 0.5))
    changed = LABEL_CONFIG.replace('"Coin"', '"Button"')
    annotator.request("PATCH", f"/api/projects/{project}/", json={"label_config": changed})

    with pytest.raises(PredictionRefusedError, match="to store 1 predictions, it stored 0"):
        _replace(client, project, item)


def test_a_prediction_of_a_deleted_task_is_refused(
    client: LabelStudio, annotator: Annotator, project: int
) -> None:
    (task,) = _upload(annotator, project, 1)
    annotator.request("DELETE", f"/api/tasks/{task}/")

    with pytest.raises(RequestRefusedError, match="status 400"):
        _replace(client, project, _item(task))


def test_uploads_are_fetched_and_deleted_ones_are_gone(
    client: LabelStudio, label_studio: LabelStudioServer, annotator: Annotator, project: int
) -> None:
    (task,) = _upload(annotator, project, 1)
    address = client.tasks(project, [task])[0].data["image"]
    fetcher = ImageFetcher(label_studio.url, client.authorisation, limits=ImageLimits(), timeout_s=30)

    assert decode_image(fetcher.fetch(address), limits=ImageLimits()).shape == (*SIZE, 3)
    (upload,) = annotator.request("GET", f"/api/projects/{project}/file-uploads?all=true")
    annotator.request(
        "DELETE", f"/api/projects/{project}/file-uploads", json={"file_upload_ids": [upload["id"]]}
    )
    with pytest.raises(FetchRefusedError, match="the image is gone"):
        fetcher.fetch(address)


def test_cloud_images_without_a_storage_are_gone(
    client: LabelStudio, label_studio: LabelStudioServer, annotator: Annotator, project: int
) -> None:
    (task,) = annotator.import_addresses(project, ["s3://bucket/a.png"])
    fetcher = ImageFetcher(label_studio.url, client.authorisation, limits=ImageLimits(), timeout_s=30)

    with pytest.raises(FetchRefusedError, match="the image is gone"):
        fetcher.fetch("s3://bucket/a.png", task_id=task)


def test_a_personal_access_token_serves_client_and_fetcher(
    label_studio: LabelStudioServer, annotator: Annotator, project: int
) -> None:
    (task,) = _upload(annotator, project, 1)

    with LabelStudio(label_studio.url, _new_users_token(label_studio.url)) as client:
        address = client.tasks(project, [task])[0].data["image"]
        fetcher = ImageFetcher(label_studio.url, client.authorisation, limits=ImageLimits(), timeout_s=30)
        data = fetcher.fetch(address)
        _replace(client, project, _item(task))

    assert data == _png(0)
    assert len(annotator.predictions(project)) == 1


def test_the_webhook_of_the_ml_backend_is_given_events_and_credentials(
    client: LabelStudio, annotator: Annotator, project: int, label_studio_double: Loopback
) -> None:
    """And nothing is asked or changed when it is right. Other webhooks are not told the password."""
    backend = label_studio_double
    backend.answers["/health"] = json_answer({"status": "UP"})
    backend.answers["/setup"] = json_answer({"model_version": VERSION})
    annotator.connect(project, backend.url)
    foreign = {"project": project, "url": "http://127.0.0.1:1/webhook"}
    annotator.request("POST", "/api/webhooks/", json=foreign)

    client.look_after_webhook(project, user="ann", password="secret")
    asked = len(backend.asked)
    client.look_after_webhook(project, user="ann", password="secret")

    ours, other = sorted(
        annotator.webhooks(project), key=lambda each: each["url"] != f"{backend.url}/webhook"
    )
    assert ours["headers"] == {"Authorization": "Basic YW5uOnNlY3JldA=="}
    assert "ANNOTATIONS_DELETED" in ours["actions"]
    assert ours["send_for_all_actions"] is False
    assert other["headers"] == {}
    assert len(backend.asked) == asked


def test_a_deleted_webhook_is_made_again(
    client: LabelStudio, annotator: Annotator, project: int, label_studio_double: Loopback
) -> None:
    backend = label_studio_double
    backend.answers["/health"] = json_answer({"status": "UP"})
    backend.answers["/setup"] = json_answer({"model_version": VERSION})
    backend.answers["/webhook"] = json_answer({})
    annotator.connect(project, backend.url)
    (automatic,) = annotator.webhooks(project)
    annotator.request("DELETE", f"/api/webhooks/{automatic['id']}/")

    client.look_after_webhook(project, user="", password="")
    (task,) = _upload(annotator, project, 1)
    annotator.annotate(task, [brush_region(MASK)])

    events = [each for each in backend.asked if each.path == "/webhook"]
    assert [b"ANNOTATION_CREATED" in event.body for event in events].count(True) == 1
    assert "authorization" not in events[0].headers


def test_a_backend_that_moved_gets_a_webhook_though_the_old_one_is_still_there(
    annotator: Annotator,
    label_studio: LabelStudioServer,
    project: int,
    label_studio_double: Loopback,
    elsewhere: Loopback,
) -> None:
    """Label Studio leaves the webhook where it was, and Submit would start nothing any more."""
    for backend in (label_studio_double, elsewhere):
        backend.answers["/health"] = json_answer({"status": "UP"})
        backend.answers["/setup"] = json_answer({"model_version": VERSION})
    connected = annotator.connect(project, label_studio_double.url)
    moved = {"project": project, "url": elsewhere.url, "title": "one-shot"}
    annotator.request("PATCH", f"/api/ml/{connected['id']}", json=moved)

    with LabelStudio(label_studio.url, label_studio.token) as client:
        client.look_after_webhook(project)

    assert f"{elsewhere.url}/webhook" in {each["url"] for each in annotator.webhooks(project)}


def test_our_backend_is_never_called_back(
    client: LabelStudio, annotator: Annotator, project: int, label_studio_double: Loopback
) -> None:
    """Reading tasks must not make Label Studio ask us for predictions of them."""
    backend = label_studio_double
    backend.answers["/health"] = json_answer({"status": "UP"})
    backend.answers["/setup"] = json_answer({"model_version": VERSION})
    annotator.connect(project, backend.url)
    (task, other) = _upload(annotator, project, 2)
    annotator.annotate(task, [brush_region(MASK)])
    backend.asked.clear()

    client.tasks(project, [task])
    client.task_page(project, without_version=VERSION)
    pick_references(client.annotations(project), [CONTROL])
    _replace(client, project, _item(other))

    assert "/predict" not in backend.paths
    assert "/setup" not in backend.paths
