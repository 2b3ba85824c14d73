"""The jobs, run by a worker on a real Valkey against a Label Studio at the end of real HTTP."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from flask import request

from backend.jobs.payloads import PredictTasks
from backend.labelstudio.brush_rle import decode_rle
from backend.vision.instance import Instance, mask_window
from backend.vision.learned import NOTHING
from backend.vision.pipeline import Segmentation, find_instances
from backend.vision.reference import Reference
from backend.worker.context import WorkerContext
from backend.worker.learning_options import LearningOptions
from backend.worker.preparation import ready_generation
from backend.worker.sync import sync
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, png

RunJobs = Callable[..., dict[str, Any]]
FINISHED = {"done", "empty"}


def states(project: dict[str, Any]) -> dict[int, str]:
    return {task["id"]: task["state"] for task in project["tasks"]}


def reasons(project: dict[str, Any]) -> dict[int, str | None]:
    return {task["id"]: task["reason"] for task in project["tasks"]}


def test_one_annotation_predicts_every_other_task(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert fake.predicted() == [2, 3]
    assert set(states(project)) == {2, 3}
    assert set(states(project).values()) <= FINISHED
    assert {each["model_version"] for each in fake.predictions} == {project["model_version"]}
    (reference,) = project["references"]
    told = [reference[name] for name in ("label", "task", "annotation", "instances")]
    assert told == ["Coin", 1, 1, 1]


def test_what_is_pushed_are_masks_of_the_size_of_the_image(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    regions = [region for each in fake.predictions for region in each["result"]]
    assert sum(task["instances"] for task in project["tasks"]) == len(regions)
    for region in regions:
        mask = decode_rle(region["value"]["rle"], SIZE_HW)
        assert (region["original_height"], region["original_width"]) == SIZE_HW
        assert mask.any()


def test_a_second_sync_changes_nothing(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    first = run_jobs()
    stored = list(fake.predictions)

    full_context.queue.enqueue_sync(PROJECT)
    second = run_jobs()

    assert fake.predictions == stored
    assert second["model_version"] == first["model_version"]


def test_a_job_run_twice_leaves_one_prediction(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    version = run_jobs()["model_version"]

    full_context.queue.enqueue_tasks(PROJECT, version, [2, 3])
    run_jobs()

    assert fake.predicted() == [2, 3]


def test_bad_images_fail_alone_with_their_reasons(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """All are in one job or two, before and after a good image."""
    good = png(disc())
    bad = {
        fake.add_task(good[: len(good) // 2]): "",
        fake.add_task(png(np.zeros((2, 20_000, 3), np.uint8))): "20000",
        fake.add_task(b"<svg xmlns='http://www.w3.org/2000/svg'/>"): "",
        fake.add_task(b"a text file"): "",
        fake.add_task(good, uri=f"/data/upload/{PROJECT}/gone.png"): "gone",
        fake.add_task(good, uri="ftp://example.com/image.png"): "ftp",
        fake.add_task(good, uri="http://127.0.0.1:9/image.png"): "127.0.0.1",
    }
    last = fake.add_task(disc())

    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert fake.predicted() == [2, 3, last]
    for task, words in bad.items():
        assert states(project)[task] == "failed"
        assert words in str(reasons(project)[task])
        assert reasons(project)[task]


def test_an_image_that_label_studio_does_not_let_us_have_stops_no_other(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Task 1's would be the reference's, task 2's is to be predicted: 403 says nothing of the others."""
    fake.add_task(disc())
    fake.annotate(4, disc_mask())
    forbidden = {f"/data/upload/{PROJECT}/{number}.png" for number in (1, 2)}
    fake.broken = lambda path: 403 if path in forbidden else None

    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert fake.predicted() == [3]
    assert "says: told to fail" in str(reasons(project)[2])
    assert "API_KEY" not in str(reasons(project)[2])
    assert full_context.queue.depths()["retrying"] == 0


def test_a_failed_task_is_tried_again_when_asked_for_and_not_at_every_sync(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """A sync follows every annotation; a bad image must not be fetched anew each time."""
    bad = fake.add_task(b"a text file")
    full_context.queue.enqueue_sync(PROJECT)
    version = run_jobs()["model_version"]

    asked = len(fake.requests)
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()
    assert not any(f"{bad}.png" in each for each in fake.requests[asked:])
    assert full_context.queue.enqueue_tasks(PROJECT, version, [bad]) == 1


def test_a_task_without_an_image_says_so(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.tasks[3] = {"text": "no image here"}

    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert "'image'" in str(reasons(project)[3])


def test_label_studio_failing_for_a_moment_is_tried_again(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """It fails whatever holds task 2: task 3 goes on, and after a pause only task 2 is done again."""
    pushed: list[set[int]] = []
    failing = True

    def fail_with_task_2(path: str) -> int | None:
        if not path.endswith("import/predictions"):
            return None
        pushed.append({item["task"] for item in request.get_json()})
        return 503 if failing and 2 in pushed[-1] else None

    fake.broken = fail_with_task_2
    full_context.queue.enqueue_sync(PROJECT)
    between = run_jobs(jobs=3)
    assert states(between)[2] == "queued"
    assert "503" in str(reasons(between)[2])
    assert fake.predicted() == [3]
    failing = False
    pushed.clear()
    project = run_jobs(jobs=1)

    assert pushed == [{2}]
    assert fake.predicted() == [2, 3]
    assert set(states(project).values()) <= FINISHED


def test_what_label_studio_refuses_is_not_tried_again(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.broken = lambda path: 400 if path.endswith("import/predictions") else None

    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert states(project) == {2: "failed", 3: "failed"}
    assert full_context.queue.depths()["retrying"] == 0


def test_a_task_that_a_person_annotated_meanwhile_is_skipped(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=2)
    fake.annotate(3, disc_mask(), parent_prediction=99)
    project = run_jobs()

    assert fake.predicted() == [2]
    assert states(project)[3] == "skipped"


def test_a_task_that_was_deleted_is_forgotten(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=2)
    del fake.tasks[3]
    project = run_jobs()

    assert set(states(project)) == {2}


def test_a_job_of_an_older_generation_does_nothing(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """The mask is repainted while the first generation's tasks wait."""
    full_context.queue.enqueue_sync(PROJECT)
    old = run_jobs(jobs=2)["model_version"]
    fake.annotations.clear()
    fake.annotate(1, disc_mask()[:, ::-1])
    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert project["model_version"] != old
    assert {each["model_version"] for each in fake.predictions} == {project["model_version"]}
    assert fake.predicted() == [2, 3]


def test_another_process_rebuilds_the_references(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=2)
    full_context.generations.clear()
    run_jobs()

    assert fake.predicted() == [2, 3]


def test_a_missed_change_of_the_reference_is_noticed_by_another_process(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Its webhook never came; the process that has to rebuild the references asks for a sync."""
    full_context.queue.enqueue_sync(PROJECT)
    old = run_jobs(jobs=2)["model_version"]
    full_context.generations.clear()
    fake.annotations.clear()
    fake.annotate(1, disc_mask()[:, ::-1])
    project = run_jobs()

    assert project["model_version"] != old
    assert {each["model_version"] for each in fake.predictions} == {project["model_version"]}


def test_without_an_annotation_the_project_waits_for_one(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.annotations.clear()

    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert "paint" in project["reason"]
    assert project["model_version"] is None


def test_without_a_control_that_holds_masks_the_project_says_so(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.label_config = fake.label_config.replace("BrushLabels", "KeyPointLabels")

    full_context.queue.enqueue_sync(PROJECT)

    assert "BrushLabels" in run_jobs()["reason"]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(b"a text file", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="SVG"),
        pytest.param(png(disc())[:200], id="truncated"),
        pytest.param(png(np.zeros((2, 20_000, 3), np.uint8)), id="20,000 pixels wide"),
        pytest.param(png(disc((40, 60))), id="another size than the mask"),
        pytest.param(None, id="gone"),
    ],
)
def test_a_reference_that_cannot_serve_is_told_and_a_later_annotation_heals_it(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, image: bytes | None
) -> None:
    path = fake.tasks[1]["image"]
    if image is None:
        del fake.files[path]
    else:
        fake.files[path] = image
    full_context.queue.enqueue_sync(PROJECT)
    reason = run_jobs()["reason"]

    fake.annotate(2, disc_mask())
    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()

    assert "annotation 1 of task 1" in reason
    assert any("annotation 1 of task 1" in each for each in project["warnings"])
    assert [(each["task"], each["annotation"]) for each in project["references"]] == [(2, 2)]
    assert fake.predicted() == [3]


@pytest.mark.parametrize("weak", [True, False])
def test_the_sync_notes_whether_a_reference_is_weak(
    full_context: WorkerContext, run_jobs: RunJobs, weak: bool
) -> None:
    """Noted with the generation: the jobs that predict leave it as it is."""
    version = str(sync(full_context, PROJECT).model_version)
    generation = full_context.generations.get(PROJECT, version)
    assert generation is not None
    judged = cast("Reference", SimpleNamespace(label="Coin", weak=weak, small=False))

    full_context.generations.put(replace(generation, references=(judged,)))
    sync(full_context, PROJECT)
    full_context.generations.put(generation)
    project = run_jobs()

    assert [each["weak"] for each in project["references"]] == [weak]
    said = [
        warning for warning in project["warnings"] if warning.startswith("The reference of 'Coin' is weak")
    ]
    assert len(said) == weak
    assert set(states(project).values()) <= FINISHED


def test_a_search_that_a_bound_stopped_is_told_on_the_status_page_and_in_the_log(
    full_context: WorkerContext, run_jobs: RunJobs, caplog: pytest.LogCaptureFixture
) -> None:
    """What the core says of bounds reaches the person word by word, for the tasks of which it says it."""
    limits = iter([("stopped after 300 places",), ()])
    found = Instance("Coin", mask_window(disc_mask()), confidence=0.5, similarity=0.5)

    def find(*arguments: Any, **options: Any) -> Segmentation:
        return replace(find_instances(*arguments, **options), instances=(found,), limits=next(limits))

    full_context.queue.enqueue_sync(PROJECT)
    with caplog.at_level("INFO", "backend.worker.tasks"):
        project = run_jobs(find=find)

    assert {task["id"]: task["limits"] for task in project["tasks"]} == {
        2: ["stopped after 300 places"],
        3: [],
    }
    assert project["limited"] == 1
    assert "joined: stopped after 300 places." in project["warnings"][-1]
    assert any(": 1 done at a bound, 1 done in " in message for message in caplog.messages)


def test_an_empty_mask_is_no_reference(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.annotations.clear()
    fake.annotate(1, np.zeros(SIZE_HW, bool))

    full_context.queue.enqueue_sync(PROJECT)

    assert run_jobs()["references"] == []


def test_a_project_that_is_gone_is_forgotten(full_context: WorkerContext, run_jobs: RunJobs) -> None:
    full_context.progress.set_no_reference(999, "whatever")
    full_context.queue.enqueue_sync(999)

    assert run_jobs() == {}


def test_a_refused_token_is_said_on_the_project(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.broken = lambda _: 401

    full_context.queue.enqueue_sync(PROJECT)

    assert "LABEL_STUDIO_API_KEY" in run_jobs()["error"]
    assert full_context.queue.depths()["retrying"] == 0


def test_a_sync_is_tried_again_when_label_studio_is_back(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    fake.broken = lambda _: 502
    full_context.queue.enqueue_sync(PROJECT)
    project = run_jobs()
    assert "502" in project["error"]
    depths = full_context.queue.depths()
    assert depths["retrying"] + depths["sync"] == 1

    fake.broken = lambda _: None
    project = run_jobs(jobs=3)

    assert project["error"] is None
    assert fake.predicted() == [2, 3]


def test_a_label_painted_on_a_turned_image_has_no_reference_and_the_page_says_why(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Until it is painted again."""
    fake.label_config = fake.label_config.replace('"Coin"/>', '"Coin"/><Label value="Nut"/>')
    fake.annotate(2, disc_mask())
    painted = fake.annotations[2][0]["result"][0]
    painted["value"]["brushlabels"], painted["image_rotation"] = ["Nut"], 90
    full_context.queue.enqueue_sync(PROJECT)
    turned = run_jobs()
    painted["image_rotation"] = 0
    full_context.queue.enqueue_sync(PROJECT)
    mended = run_jobs()

    (warning,) = [each for each in turned["warnings"] if "annotation 2 of task 2" in each]
    assert "turned by 90 degrees" in warning
    assert [each["label"] for each in turned["references"]] == ["Coin"]
    assert [each["label"] for each in mended["references"]] == ["Coin", "Nut"]
    assert not any("annotation 2" in each for each in mended["warnings"])


def test_further_starred_annotations_are_references_where_several_are_allowed(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Also for a process that has not made the generation; another star makes another one."""
    fake.annotate(2, disc_mask(), ground_truth=True)
    fake.annotate(3, disc_mask(), ground_truth=True)
    context = replace(full_context, learning=LearningOptions(max_references=2))
    fake.ground_truths = 2

    one, version = sync(full_context, PROJECT).model_version, sync(context, PROJECT).model_version
    assert version is not None
    made = context.generations.get(PROJECT, version)
    context.generations.clear()
    again = ready_generation(context, PredictTasks(PROJECT, version, (1,)))

    assert one != version
    assert made is not None
    assert again is not None
    for each in (made, again):
        assert [one.annotation_id for one in each.picked] == [2, 3]
        assert len(each.references) == 2


def test_it_is_noted_how_many_corrections_taught_nothing_that_saves_work(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Two of them; the generation is the one of the first mask, and no task is predicted anew."""
    before = sync(full_context, PROJECT).model_version
    fake.predictions += [
        {"id": 9, "task": task, "model_version": "oneshot-tiny-0", "result": []} for task in (2, 3)
    ]
    for task in (2, 3):
        fake.annotate(task, disc_mask(), parent_prediction=9)

    after = sync(replace(full_context, learn=lambda *_, **__: NOTHING), PROJECT).model_version

    assert before == after
    (note,) = full_context.known.list(PROJECT)
    assert (note.evidence, note.reviewed, note.seen, note.in_vain) == ((), 2, 2, 2)
    assert note.tasks == {1: 1, 2: 2, 3: 3}


def test_another_process_rebuilds_a_label_that_only_a_correction_teaches(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Though nothing else was learned from it; without another sync, which that process might not get."""
    fake.label_config = fake.label_config.replace('"Coin"/>', '"Coin"/><Label value="Nut"/>')
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    fake.annotations[2][0]["result"][0]["value"]["brushlabels"] = ["Nut"]
    context = replace(full_context, learn=lambda *_, **__: NOTHING)

    version = sync(context, PROJECT).model_version
    assert version is not None
    context.generations.clear()
    found = ready_generation(context, PredictTasks(PROJECT, version, (3,)))

    assert found is not None
    assert {each.label: each.annotation_id for each in found.picked} == {"Coin": 1, "Nut": 2}
