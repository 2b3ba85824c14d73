"""Answers to a person who points at something: a worker on a real Valkey, a Label Studio behind HTTP."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from redis import Redis
from rq.job import Job

from backend.jobs.interactive import Question, Questions
from backend.jobs.queue import INTERACTIVE_QUEUE, JobQueue
from backend.jobs.request_id import current_request_id
from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.outputs import OutputOptions
from backend.vision.learned import Learned
from backend.vision.pipeline import Segmentation, find_instances
from backend.worker.context import WorkerContext
from backend.worker.interactive import answer_regions, answer_waiting
from backend.worker.open_images import OFFERED_S
from backend.worker.sync import sync
from tests.colour_sam import BLUE, RED, box_mask, colour_models, drawn
from tests.worker.conftest import disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, region
from tests.worker.two_images import SAME_LABELS, SIZES_HW, Core, annotate, make_two_images, painted

RunJobs = Callable[..., dict[str, Any]]
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image"><Label value="Coin"/></BrushLabels>
  <PolygonLabels name="outline" toName="image"><Label value="Coin"/></PolygonLabels>
  <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Coin"/></KeyPointLabels>
</View>
"""
SIZE_HW = (40, 64)
FIRST, SECOND, OTHER = (2, 4, 24, 24), (14, 36, 24, 24), (2, 34, 8, 28)


def click(x: float, y: float, **other: Any) -> dict[str, Any]:
    """A key point at a pixel of the image."""
    value = {"x": x / SIZE_HW[1] * 100, "y": y / SIZE_HW[0] * 100, "width": 0.3, "keypointlabels": ["Coin"]}
    size = {"original_width": SIZE_HW[1], "original_height": SIZE_HW[0], "image_rotation": 0}
    region = {**size, "id": f"{x}-{y}", "from_name": "kp", "to_name": "image", "type": "keypointlabels"}
    return {**region, "is_positive": True, "value": value, **other}


ON_FIRST, ON_SECOND = click(16, 14), click(48, 26)


@pytest.fixture(name="seeing")
def _seeing(full_context: WorkerContext, fake: FakeLabelStudio) -> WorkerContext:
    """A worker whose networks see colours, and a task with two things of one colour and one of another."""
    fake.label_config = CONFIG
    fake.add_task(drawn((*FIRST, RED), (*SECOND, RED), (*OTHER, BLUE)))
    return replace(full_context, models=colour_models())


@pytest.fixture(name="ask")
def _ask(seeing: WorkerContext, run_jobs: RunJobs, valkey: str) -> Callable[..., list[dict[str, Any]] | None]:
    """Asks, and lets a worker answer, on one thread each as in two processes."""

    def ask(*regions: dict[str, Any], task: int = 4, similar: bool = False, **instead: Any) -> Any:
        found: list[Any] = []

        def wait() -> None:
            with Redis.from_url(valkey) as connection:
                questions = Questions(JobQueue(connection))
                found.append(questions.ask(Question(PROJECT, task, regions, similar), wait_s=60))

        person = threading.Thread(target=wait)
        person.start()
        run_jobs(jobs=1, **{"models": seeing.models, **instead})
        person.join()
        return found[0]

    return ask


@pytest.fixture(name="someone_points")
def _someone_points(valkey: str) -> Iterator[Callable[..., list[Any]]]:
    """Asks beside the test, and comes back once the question is on the queue; gives the answers to come."""
    people: list[threading.Thread] = []

    def ask(found: list[Any], task: int, region: dict[str, Any], request_id: str | None) -> None:
        current_request_id.set(request_id)
        with Redis.from_url(valkey) as connection:
            question = Question(PROJECT, task, (region,))
            found.append(Questions(JobQueue(connection)).ask(question, wait_s=60))

    def point(region: dict[str, Any] = ON_SECOND, task: int = 4, request_id: str | None = None) -> list[Any]:
        found: list[Any] = []
        people.append(threading.Thread(target=ask, args=[found, task, region, request_id]))
        people[-1].start()
        with Redis.from_url(valkey) as connection:
            queue = JobQueue(connection).queue(INTERACTIVE_QUEUE)
            while not any(each.startswith("answer-") for each in queue.job_ids):
                time.sleep(0.01)
        return found

    yield point
    for person in people:
        person.join()


def answered(found: list[Any]) -> None:
    """Wait for the answer."""
    deadline = time.monotonic() + 30
    while not found and time.monotonic() < deadline:
        time.sleep(0.01)


def mask_of(region: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return decode_rle(region["value"]["rle"], SIZE_HW)


def test_a_click_brings_the_mask_of_the_thing_under_it(ask: Callable[..., Any]) -> None:
    """Drawn by a person, by what the editor keeps of it: it may become a reference."""
    (region,) = ask(ON_SECOND)

    assert np.array_equal(mask_of(region), box_mask(*SECOND))
    told = [region[key] for key in ("from_name", "to_name", "type", "origin")]
    assert told == ["label", "image", "brushlabels", "manual"]
    assert region["value"]["brushlabels"] == ["Coin"]
    assert (region["original_height"], region["original_width"]) == SIZE_HW


def test_of_several_images_the_one_is_seen_that_was_clicked_on(
    ask: Callable[..., Any], fake: FakeLabelStudio
) -> None:
    """Each has its own control, size and thing; the clicks come one after the other."""
    size_hw = (64, 48)
    fake.label_config = CONFIG.replace(
        "</View>",
        """<Image name="other" value="$o"/>
        <BrushLabels name="label-2" toName="other"><Label value="Coin"/></BrushLabels>
        <KeyPointLabels name="kp-2" toName="other" smart="true"><Label value="Coin"/></KeyPointLabels>
        </View>""",
    )
    added = fake.add_task(drawn((30, 8, 20, 24, RED), size_hw=size_hw))
    fake.tasks[4]["o"] = fake.tasks.pop(added)["image"]
    size = {"original_width": size_hw[1], "original_height": size_hw[0], "to_name": "other"}
    there = click(0, 0, **size, id="there", from_name="kp-2")
    there["value"] |= {"x": 20 / size_hw[1] * 100, "y": 40 / size_hw[0] * 100}

    (left,), (right,) = ask(ON_SECOND), ask(there)

    assert [left[key] for key in ("from_name", "to_name", "original_height")] == [
        "label",
        "image",
        SIZE_HW[0],
    ]
    assert [right[key] for key in ("from_name", "to_name", "original_height")] == ["label-2", "other", 64]
    assert np.array_equal(mask_of(left), box_mask(*SECOND))
    found = decode_rle(right["value"]["rle"], size_hw)
    assert np.array_equal(found, box_mask(30, 8, 20, 24, size_hw=size_hw))


def test_of_a_list_of_images_the_one_is_seen_that_was_clicked_on(
    ask: Callable[..., Any], fake: FakeLabelStudio
) -> None:
    """The answer tells its number; what is known on the first image is offered on the second all the same."""
    fake.label_config = CONFIG.replace('value="$image"', 'valueList="$images"')
    added = fake.add_task(drawn((*FIRST, RED), (*OTHER, RED)))
    fake.tasks[4] = {"images": [fake.tasks[4]["image"], fake.tasks.pop(added)["image"]]}
    there = region(box_mask(*OTHER)) | {"item_index": 0, "id": "elsewhere"}
    fake.annotations[4] = [{"id": 9, "created_at": "2026-01-01T00:00:00Z", "result": [there]}]

    (first,) = ask(ON_SECOND | {"item_index": 0})
    both = ask(ON_FIRST | {"item_index": 1}, similar=True)

    assert (first["item_index"], [each["item_index"] for each in both]) == (0, [1, 1])
    assert np.array_equal(mask_of(first), box_mask(*SECOND))
    assert [mask_of(each).tolist() for each in both] == [box_mask(*box).tolist() for box in (FIRST, OTHER)]


def test_the_answer_goes_through_the_control_that_the_settings_name(ask: Callable[..., Any]) -> None:
    (region,) = ask(ON_SECOND, output=OutputOptions(control="PolygonLabels"))

    assert (region["from_name"], region["type"]) == ("outline", "polygonlabels")
    assert len(region["value"]["points"]) >= 4


def test_similar_brings_what_looks_like_it_as_predicted(ask: Callable[..., Any]) -> None:
    first, second = ask(ON_FIRST, similar=True)

    assert np.array_equal(mask_of(first), box_mask(*FIRST))
    assert np.array_equal(mask_of(second), box_mask(*SECOND))
    assert (first["origin"], second["origin"]) == ("manual", "prediction")


def test_similar_brings_nothing_that_the_task_has_already(
    ask: Callable[..., Any], fake: FakeLabelStudio
) -> None:
    fake.annotate(4, box_mask(*SECOND))

    (only,) = ask(ON_FIRST, similar=True)

    assert np.array_equal(mask_of(only), box_mask(*FIRST))


def test_similar_brings_nothing_that_a_draft_has(seeing: WorkerContext) -> None:
    """Only the person who drew it may read a draft from Label Studio, so the question brings it."""
    drafted = region(box_mask(*SECOND))

    (only,) = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True, known=(drafted,)))

    assert np.array_equal(mask_of(only), box_mask(*FIRST))


def test_what_was_skipped_or_lies_in_a_prediction_beside_an_annotation_is_no_reason_to_leave_it_out(
    seeing: WorkerContext, fake: FakeLabelStudio
) -> None:
    """Neither is in the editor: a skipped annotation is nobody's, and there is an annotation already."""
    fake.annotate(4, box_mask(*SECOND), was_cancelled=True)
    fake.annotate(4, box_mask(*FIRST))
    fake.predictions.append(
        {"id": 50, "task": 4, "model_version": "oneshot-x", "result": [region(box_mask(*SECOND))]}
    )

    assert len(answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True))) == 2


def test_a_draft_tells_all_that_is_in_the_editor(seeing: WorkerContext, fake: FakeLabelStudio) -> None:
    """Somebody else's annotation of the same task is not."""
    fake.annotate(4, box_mask(*SECOND))
    drafted = region(box_mask(*FIRST))

    found = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True, known=(drafted,)))

    assert len(found) == 2


def test_what_was_offered_once_is_offered_again_later(
    seeing: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page was loaded anew, or another person asks."""
    again = {**ON_FIRST, "id": "another-click"}
    first = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True))
    at_once = answer_regions(seeing, Question(PROJECT, 4, (again,), similar=True))
    then = time.monotonic() + OFFERED_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: then)

    later = answer_regions(seeing, Question(PROJECT, 4, ({**ON_FIRST, "id": "later"},), similar=True))

    assert [len(each) for each in (first, at_once, later)] == [2, 1, 2]


def test_another_click_does_not_bring_again_what_the_editor_has(seeing: WorkerContext) -> None:
    """The editor has accepted the first answer, and Label Studio does not know of it yet."""
    first = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True))
    other = answer_regions(seeing, Question(PROJECT, 4, (ON_SECOND,), similar=True))

    assert len(first) == 2
    assert [mask_of(region).tolist() for region in other] == [box_mask(*SECOND).tolist()]


def test_one_more_click_on_the_same_thing_brings_all_again(seeing: WorkerContext) -> None:
    """The editor throws its suggestions away when it gets others."""
    beside = click(2, 36, is_positive=False)

    first = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST,), similar=True))
    refined = answer_regions(seeing, Question(PROJECT, 4, (ON_FIRST, beside), similar=True))

    assert len(refined) == len(first) == 2


def test_a_bound_on_regions_holds(ask: Callable[..., Any]) -> None:
    assert len(ask(ON_FIRST, similar=True, output=OutputOptions(max_regions=1))) == 1


@pytest.mark.parametrize(
    "region",
    [
        {**ON_FIRST, "image_rotation": 90},
        {**ON_FIRST, "original_width": 65},
        {**ON_FIRST, "is_positive": False},
        {**ON_FIRST, "value": {**ON_FIRST["value"], "keypointlabels": ["Button"]}},
    ],
)
def test_what_cannot_be_answered_finds_nothing_at_once(
    ask: Callable[..., Any], region: dict[str, Any]
) -> None:
    assert ask(region) == []


def test_a_task_without_a_readable_image_finds_nothing(
    ask: Callable[..., Any], fake: FakeLabelStudio
) -> None:
    broken = fake.add_task(b"no image")

    assert ask(ON_FIRST, task=broken) == []
    assert ask(ON_FIRST, task=99) == []


def test_a_bulk_run_gives_way_between_two_tasks(
    seeing: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, valkey: str
) -> None:
    """Asked in the middle of the first of four tasks, answered before the second."""
    for _ in range(3):
        fake.add_task(drawn((*FIRST, RED)))
    done: list[str] = []

    def ask() -> None:
        with Redis.from_url(valkey) as connection:
            found = Questions(JobQueue(connection)).ask(Question(PROJECT, 4, (ON_FIRST,)), wait_s=60)
            done.append("answer" if found else "no answer")

    person = threading.Thread(target=ask)

    def find(*args: Any, **options: Any) -> Segmentation:
        if not done:
            person.start()
            while not seeing.queue.depths()["interactive"]:
                time.sleep(0.01)
        elif len(done) == 1:
            person.join(timeout=60)
        done.append("task")
        return find_instances(*args, **options)

    queue = JobQueue(seeing.connection, tasks_per_job=16)
    queue.enqueue_sync(PROJECT)
    run_jobs(models=seeing.models, find=find, queue=queue)

    assert done[:3] == ["task", "answer", "task"]
    assert done.count("task") == 6


def test_nothing_is_computed_when_nobody_waits(
    seeing: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    assert Questions(seeing.queue).ask(Question(PROJECT, 4, (ON_FIRST,)), wait_s=0.1) is None

    run_jobs(models=seeing.models)

    assert not any(path.endswith("/4.png") for path in fake.requests)


def test_a_second_click_loads_no_image_again(fake: FakeLabelStudio, seeing: WorkerContext) -> None:
    for point in (ON_FIRST, ON_SECOND):
        answer_regions(seeing, Question(PROJECT, 4, (point,)))

    assert len([path for path in fake.requests if path.endswith("/4.png")]) == 1


def test_an_answer_needs_no_generation_and_learns_nothing(
    fake: FakeLabelStudio, seeing: WorkerContext
) -> None:
    """Whoever waits has it in time, whatever was lost of what reviews taught."""
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    seeing.progress.set_generation(PROJECT, "oneshot-tiny-lost", [])

    def learn(*_: object, **__: object) -> Learned:
        pytest.fail("a person waits")

    found = answer_regions(replace(seeing, learn=learn), Question(PROJECT, 4, (ON_FIRST,), similar=True))

    assert [each["origin"] for each in found] == ["manual", "prediction"]


def test_a_worker_that_learns_answers_between_two_steps(
    seeing: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, someone_points: Callable[..., list[Any]]
) -> None:
    """It may be the only one, and learns for minutes."""
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    answers: list[Any] = []

    def learn(*_: object, step: Callable[[], object], **__: object) -> Learned:
        found = someone_points()
        step()
        answered(found)
        answers.extend(found)
        return Learned()

    seeing.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=1, models=seeing.models, learn=learn)

    ((region,),) = answers
    assert np.array_equal(mask_of(region), box_mask(*SECOND))
    assert seeing.queue.queue(INTERACTIVE_QUEUE).job_ids == []


def test_a_worker_amid_a_task_of_several_images_answers_before_the_next_one(
    seeing: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, someone_points: Callable[..., list[Any]]
) -> None:
    """Such as a long list of pages."""
    smart = (
        '<KeyPointLabels name="kp" toName="left" smart="true"><Label value="Coin"/></KeyPointLabels></View>'
    )
    make_two_images(fake, label_config=SAME_LABELS.replace("</View>", smart), tasks=2)
    annotate(fake, 1, painted("left"))
    (height, width), core, asked = SIZES_HW["left"], Core(), list[list[Any]]()
    on_disc = click(30, 20, original_width=width, original_height=height, to_name="left")
    on_disc["value"] |= {"x": 30 / width * 100, "y": 20 / height * 100}
    found_before: list[int] = []

    def find(*arguments: Any, **others: Any) -> Segmentation:
        if not asked:
            asked.append(someone_points(on_disc, task=2))
        else:
            answered(asked[0])
            found_before.append(len(asked[0]))
        return core.find(*arguments, **others)

    seeing.queue.enqueue_sync(PROJECT)
    run_jobs(models=seeing.models, find=find, learn=core.learn)

    assert found_before == [1]
    assert [each["to_name"] for each in asked[0][0]] == ["left"]
    assert fake.predicted() == [2]


def test_what_else_is_urgent_waits_for_its_turn(
    seeing: WorkerContext, someone_points: Callable[..., list[Any]]
) -> None:
    """A task that somebody has opened is a job of its own, tried again if it fails."""
    seeing.queue.enqueue_sync(PROJECT)
    version = str(sync(seeing, PROJECT).model_version)
    seeing.queue.enqueue_tasks(PROJECT, version, [3], priority="interactive")
    (opened,) = seeing.queue.queue(INTERACTIVE_QUEUE).job_ids
    found = someone_points()

    answer_waiting(seeing)

    answered(found)
    assert len(found[0]) == 1
    assert seeing.queue.queue(INTERACTIVE_QUEUE).job_ids == [opened]


def test_log_lines_of_an_answer_amid_another_job_name_the_request_that_asks(
    seeing: WorkerContext, someone_points: Callable[..., list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    named: list[str | None] = []

    def note(record: logging.LogRecord) -> bool:
        if record.name == "backend.worker.interactive":
            named.append(current_request_id.get())
        return True

    found = someone_points(request_id="4f1c")
    token = current_request_id.set("of the sync")
    try:
        with caplog.at_level(logging.INFO, "backend.worker.interactive"):
            caplog.handler.addFilter(note)
            answer_waiting(seeing)
        assert current_request_id.get() == "of the sync"
    finally:
        current_request_id.reset(token)

    answered(found)
    assert named == ["4f1c"]


def test_a_question_that_has_run_out_of_time_is_passed_over(seeing: WorkerContext) -> None:
    """Its job may be gone before its place on the queue is."""
    questions = Questions(seeing.queue)
    assert questions.ask(Question(PROJECT, 4, (ON_FIRST,)), wait_s=0.1) is None
    assert questions.ask(Question(PROJECT, 4, (ON_SECOND,)), wait_s=0.1) is None
    queue = seeing.queue.queue(INTERACTIVE_QUEUE)
    seeing.connection.delete(Job.key_for(queue.job_ids[0]))

    answer_waiting(seeing)

    assert (queue.job_ids, seeing.connection.keys("oneshot:answered:*")) == ([], [])
