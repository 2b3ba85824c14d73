"""Corrections of predictions in the real Label Studio: compared, counted, reported, exported."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from redis import Redis

from backend.cli.main import main
from backend.demo.label_studio import LabelStudioServer
from backend.evaluation.rle import decode
from backend.jobs.agreement import Agreement, Agreements, ProjectAgreement
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.label_config import image_controls
from backend.labelstudio.regions import ScoredMask, prediction
from backend.worker.agreement import note_agreement
from backend.worker.context import WorkerContext
from tests.annotator import LABEL_CONFIG, Annotator, annotator_at, brush_region

pytestmark = pytest.mark.label_studio
SIZE = (30, 40)
OLD, NEW = "oneshot-tiny-aaaa", "oneshot-tiny-bbbb"
CONTROL = image_controls(LABEL_CONFIG)[0]


def box(left: int, right: int) -> NDArray[np.bool_]:
    """Ten rows of these columns."""
    mask = np.zeros(SIZE, bool)
    mask[5:15, left:right] = True
    return mask


def png(value: int) -> bytes:
    """An image of one grey."""
    file = io.BytesIO()
    Image.fromarray(np.full((*SIZE, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


class Reviewed:
    """A project in which a person has gone through the predictions of two generations."""

    def __init__(self, annotator: Annotator, client: LabelStudio) -> None:
        self.annotator, self.client = annotator, client
        self.id = annotator.create_project("Reviewed")
        self.tasks = annotator.upload(self.id, {f"{each}.png": png(10 * each) for each in range(5)})

    def predict(self, task: int, version: str, *masks: NDArray[np.bool_]) -> dict[str, Any]:
        """Store a prediction as the worker does; give it as Label Studio does."""
        item = prediction(
            task, version, {"Coin": CONTROL}, SIZE, [ScoredMask("Coin", each, 0.9) for each in masks]
        )
        self.client.replace_predictions(self.id, version, [item], label_config=LABEL_CONFIG)
        stored = [each for each in self.annotator.predictions(self.id) if each["task"] == task]
        return next(each for each in stored if each["model_version"] == version)

    def submit(self, stored: dict[str, Any], *regions: dict[str, Any]) -> int:
        """Submit regions as a correction of a prediction, as the editor does."""
        return self.annotator.annotate(stored["task"], regions, parent_prediction=stored["id"])


@pytest.fixture(scope="module")
def reviewed(label_studio: LabelStudioServer) -> Iterator[Reviewed]:
    """The first prediction of the old generation was wrong in every way; those of the new one are fine.

    In the last task a person painted without looking at the prediction.
    """
    with LabelStudio(label_studio.url, label_studio.token) as client:
        made = Reviewed(annotator_at(label_studio), client)
        one, two, three, four, five = made.tasks
        before = made.predict(one, OLD, box(0, 8), box(10, 18), box(20, 28))
        kept, moved, _ = before["result"]
        redrawn = {**brush_region(box(10, 16)), "id": moved["id"], "origin": "prediction-changed"}
        made.submit(before, kept, redrawn, brush_region(box(30, 38), region_id="added-one"))
        fine = made.predict(two, NEW, box(0, 8))
        made.submit(fine, *fine["result"])
        made.predict(two, OLD, box(20, 28))
        made.submit(made.predict(three, NEW))
        skipped = made.predict(four, NEW, box(0, 8))
        annotator_at(label_studio).annotate(
            four, skipped["result"], parent_prediction=skipped["id"], was_cancelled=True
        )
        made.predict(five, NEW, box(0, 8))
        made.annotator.annotate(five, [brush_region(box(0, 8))])
        yield made


@pytest.fixture
def connection(shared_valkey: str) -> Iterator[Redis]:
    """A connection to an empty Valkey."""
    with Redis.from_url(shared_valkey) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def context(reviewed: Reviewed, connection: Redis) -> WorkerContext:
    """As far as the counting of reviews needs it."""
    nothing = cast("Any", None)
    return WorkerContext(
        **dict.fromkeys(("fetcher", "limits", "models", "search"), nothing),
        label_studio=reviewed.client,
        checkpoint="tiny",
        semantics="colours",
        connection=connection,
        queue=JobQueue(connection),
        progress=Progress(connection),
    )


def counted(context: WorkerContext, reviewed: Reviewed) -> ProjectAgreement:
    """What is known after one more look."""
    note_agreement(context, context.label_studio.project(reviewed.id))
    return Agreements(context.connection).of_project(reviewed.id)


FIRST = Agreement(reviewed=1, kept=1, redrawn=1, loose=1, deleted=1, added=1, iou_sum=1.75)


def test_what_label_studio_converts_in_bulk_is_no_review_and_what_was_made_of_a_draft_is_one(
    label_studio: LabelStudioServer, context: WorkerContext
) -> None:
    """Nobody looked at the first; of the second Label Studio has lost which prediction it was made from."""
    made = Reviewed(annotator_at(label_studio), context.label_studio)
    converted, taken_up, *_ = made.tasks
    for task in (converted, taken_up):
        made.predict(task, NEW, box(0, 8))
    chosen = {"all": False, "included": [converted]}
    made.annotator.request(
        *("POST", f"/api/dm/actions?id=predictions_to_annotations&project={made.id}"),
        json={"selectedItems": chosen, "model_version": NEW},
    )
    (predicted,) = (each for each in made.annotator.predictions(made.id) if each["task"] == taken_up)
    annotation = made.annotator.annotate(taken_up, predicted["result"])

    found = context.label_studio.annotations(made.id)
    beside = found.after_predictions(NEW)
    reviews = [each.id for each in found.named(beside) if each.is_review]

    assert len(beside) == 2
    assert reviews == [annotation]
    assert list(found.after_predictions(NEW)) == [annotation]
    assert [each.reviewed for each in counted(context, made).generations] == [1]


def test_each_correction_counts_for_the_generation_that_it_corrects(
    reviewed: Reviewed, context: WorkerContext
) -> None:
    """Skipped tasks and those painted from scratch are no reviews; an empty one that was submitted is."""
    old, new = counted(context, reviewed).generations

    assert (old.model_version, old.reviewed, old.labels) == (OLD, 1, {"Coin": FIRST})
    assert (new.model_version, new.reviewed) == (NEW, 2)
    assert new.labels == {"Coin": Agreement(reviewed=1, kept=1, iou_sum=1)}
    assert (old.overall.effort, new.overall.effort) == (1, 0)


def test_a_changed_and_a_deleted_annotation_count_as_they_are_now(
    reviewed: Reviewed, context: WorkerContext
) -> None:
    """Label Studio says of each task when it changed last: only those are read again."""
    stored = reviewed.predict(reviewed.tasks[3], NEW, box(0, 8))
    annotation = reviewed.submit(stored, *stored["result"])
    before = counted(context, reviewed).generations[1]

    reviewed.annotator.update(annotation, [])
    changed = counted(context, reviewed).generations[1]
    reviewed.annotator.delete(annotation)
    deleted = counted(context, reviewed).generations[1]

    assert (before.reviewed, before.overall.kept, before.overall.deleted) == (3, 2, 0)
    assert (changed.reviewed, changed.overall.kept, changed.overall.deleted) == (3, 1, 1)
    assert (deleted.reviewed, deleted.overall.kept, deleted.overall.deleted) == (2, 1, 0)


def test_only_what_changed_is_read_again(reviewed: Reviewed, context: WorkerContext) -> None:
    """And what changed shortly before the last look, in case it could not be seen then."""
    read: list[int] = []

    class Watched(LabelStudio):
        """Notes which tasks are read."""

        def reviewable_tasks(self, *args: Any, **options: Any) -> Any:
            page = super().reviewable_tasks(*args, **options)
            read.extend(int(task["id"]) for task in page)
            return page

    with Watched(reviewed.annotator.url, reviewed.annotator.token) as client:
        context = replace(context, label_studio=client)
        first = counted(context, reviewed)
        everything = list(read)
        read.clear()
        second = counted(context, reviewed)

    assert everything == [task for task in reviewed.tasks if task != reviewed.tasks[3]]
    assert read == []
    assert second == first


def test_a_time_is_understood_as_label_studio_tells_it(reviewed: Reviewed) -> None:
    """Down to the microsecond, in UTC."""
    _, newest = reviewed.client.last_reviewable(reviewed.id)

    at = reviewed.client.reviewable_tasks(reviewed.id, since=newest)
    after = reviewed.client.reviewable_tasks(reviewed.id, since="2199-01-01T00:00:00.000000Z")

    assert [each["updated_at"] for each in at] == [newest]
    assert after == []


def test_the_report_tells_it_and_writes_the_reviewed_masks(
    reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Needs neither Redis nor a worker. The bare image is measured, by fetching it."""
    monkeypatch.setenv("LABEL_STUDIO_URL", reviewed.annotator.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", reviewed.annotator.token)
    files = {name: tmp_path / name for name in ("json", "coco", "csv")}

    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    result = CliRunner().invoke(main, ["report", "--project", str(reviewed.id), *options])

    assert result.exit_code == 0, result.output
    figures = json.loads(files["json"].read_text())["generations"]
    assert [(each["model_version"], each["overall"]["effort"]) for each in figures] == [(OLD, 1), (NEW, 0)]
    coco = json.loads(files["coco"].read_text())
    assert [each["id"] for each in coco["images"]] == reviewed.tasks[:3]
    assert {(each["height"], each["width"]) for each in coco["images"]} == {SIZE}
    masks = [(each["image_id"], each["outcome"]) for each in coco["annotations"]]
    one, two, _, *_ = reviewed.tasks
    assert sorted(masks) == [(one, "added"), (one, "kept"), (one, "redrawn"), (two, "kept")]
    added = next(each for each in coco["annotations"] if each["outcome"] == "added")
    assert np.array_equal(decode(added["segmentation"]), box(30, 38))
    assert len(files["csv"].read_text().splitlines()) == 1 + len(masks)
