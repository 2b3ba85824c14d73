"""The loop on the real Label Studio: a mask, predictions, a correction, a generation that learned from it.

What is found and what is learned is said here; all else is real: web process, queue, worker, Label Studio.
"""

import io
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import requests
import torch
from numpy.typing import NDArray
from PIL import Image
from redis import Redis

from backend.demo.label_studio import LabelStudioServer
from backend.jobs.finishing import Finishing
from backend.jobs.generations import Generations
from backend.jobs.keys import LATE_SYNCS
from backend.jobs.payloads import PredictTasks
from backend.jobs.progress import Progress
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.vision.clock import StageSeconds
from backend.vision.evidence import FITTED
from backend.vision.instance import Instance, mask_window
from backend.vision.learned import NOTHING, Learned, Lesson
from backend.vision.pipeline import Models, SearchOptions, Segmentation
from backend.vision.reviewed import Reviewed
from backend.vision.semantics import CropEncoder
from backend.worker.context import WorkerContext
from backend.worker.learning_options import LearningOptions
from backend.worker.preparation import ready_generation
from backend.worker.process import OneshotWorker
from tests.annotator import LABEL_CONFIG, Annotator, brush_region, region_mask
from tests.stack import Stack
from tests.tiny_sam import tiny_sam

pytestmark = pytest.mark.label_studio
SIZE = (30, 40)
TASKS = 6
TAUGHT = Learned({"Coin": Lesson(FITTED.second)})


def box(left: int, right: int) -> NDArray[np.bool_]:
    """Ten rows of these columns."""
    mask = np.zeros(SIZE, bool)
    mask[5:15, left:right] = True
    return mask


RIGHT, WRONG, MISSED = box(2, 10), box(14, 22), box(26, 34)


@dataclass
class Core:
    """Finds a right and a wrong thing; once it was taught, the right one and the one it missed.

    Attributes:
        reviewed: the masks of each image that it was taught with, by the lesson.
    """

    reviewed: list[list[dict[str, tuple[NDArray[np.bool_], ...]]]] = field(default_factory=list)

    def find(self, *_: object, learned: Learned, **__: object) -> Segmentation:
        """Find two things; a task's score says how many reviews it was taught by."""
        masks = [RIGHT, WRONG if learned == NOTHING else MISSED]
        found = tuple(Instance("Coin", mask_window(mask), 0.75, 0.5) for mask in masks)
        return Segmentation(found, StageSeconds(0, 0, 0))

    def learn(
        self,
        models: object,  # noqa: ARG002 - as the core's
        references: object,  # noqa: ARG002
        reviewed: Iterable[Reviewed],
        *,
        options: object,  # noqa: ARG002
        step: object,  # noqa: ARG002
    ) -> Learned:
        """Learn, whatever the images show."""
        self.reviewed.append([{label: tuple(some) for label, some in one.masks.items()} for one in reviewed])
        return TAUGHT if self.reviewed[-1] else NOTHING


@dataclass
class Loop:
    """A connected project, a person, and a worker that runs when it is told to.

    Attributes:
        id: the project's.
        tasks: the first has the one shot.
        core: what finds and learns.
    """

    id: int
    tasks: list[int]
    annotator: Annotator
    context: WorkerContext
    core: Core

    def run(self) -> None:
        """Run what waits, and what follows the run."""
        self.burst()
        for _ in range(3):
            self.context.finishing.enqueue_due(stale_s=0)
            self.burst()

    def burst(self) -> None:
        """Run what waits."""
        worker = OneshotWorker(QUEUE_NAMES, connection=self.context.connection, context=self.context)
        worker.work(burst=True, logging_level="CRITICAL")

    @property
    def version(self) -> str:
        """The current generation."""
        return str(self.context.progress.model_version(self.id))

    def shown(self) -> Any:
        """The project's own settings."""
        return self.annotator.request("GET", f"/api/projects/{self.id}/")

    def versions(self) -> dict[int, list[str]]:
        """The versions of the predictions of each task, counted from 1."""
        held: dict[int, list[str]] = {}
        for each in self.annotator.predictions(self.id):
            held.setdefault(self.tasks.index(each["task"]) + 1, []).append(each["model_version"])
        return {task: sorted(versions) for task, versions in sorted(held.items())}

    def correct(self, number: int) -> int:
        """Keep the first region of a task's prediction, delete the second, paint another; submit."""
        task = self.tasks[number - 1]
        stored = next(
            each
            for each in self.annotator.predictions(self.id)
            if each["task"] == task and each["model_version"] == self.version
        )
        regions = [stored["result"][0], brush_region(MISSED, region_id="added-one")]
        return self.annotator.annotate(task, regions, parent_prediction=stored["id"])


def png(value: int) -> bytes:
    """An image of one grey with a bright box."""
    pixels = np.full((*SIZE, 3), value, np.uint8)
    pixels[RIGHT] = 230
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def web(start_web: Callable[..., Stack]) -> Stack:
    """A web process on a queue of its own."""
    return start_web("learning")


@pytest.fixture
def connection(web: Stack) -> Iterator[Redis]:
    """The web process's queue, emptied."""
    with Redis.from_url(web.redis_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def loop(
    web: Stack, connection: Redis, annotator: Annotator, label_studio: LabelStudioServer
) -> Iterator[Loop]:
    """One coin is annotated in the first task, and the worker has predicted the others."""
    torch.set_num_threads(1)
    core, limits = Core(), ImageLimits(max_side=1000)
    with LabelStudio(label_studio.url, label_studio.token) as client:
        context = WorkerContext(
            label_studio=client,
            fetcher=ImageFetcher(label_studio.url, client.authorisation, limits=limits, timeout_s=10),
            limits=limits,
            models=Models(sam=tiny_sam(), semantic=CropEncoder(lambda pixels: pixels)),
            checkpoint="tiny",
            semantics="colours",
            search=SearchOptions(max_instances=2),
            connection=connection,
            queue=JobQueue(connection),
            progress=Progress(connection),
            find=core.find,
            learn=core.learn,
        )
        project = annotator.create_project("The loop")
        files = {f"{number}.png": png(10 * number) for number in range(TASKS)}
        made = Loop(project, annotator.upload(project, files), annotator, context, core)
        annotator.connect(project, web.url)
        annotator.annotate(made.tasks[0], [brush_region(RIGHT)])
        made.run()
        yield made
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_one_correction_makes_the_rest_better_and_touches_nothing_that_a_person_did(loop: Loop) -> None:
    """Task 2 is corrected, somebody has begun with task 3, the others are nobody's yet."""
    first = loop.version
    before = loop.shown()
    annotation = loop.correct(2)
    draft = {"result": [brush_region(RIGHT)], "lead_time": 3}
    loop.annotator.request("POST", f"/api/tasks/{loop.tasks[2]}/drafts", json=draft)
    loop.run()
    second = loop.version

    (reviewed,) = loop.core.reviewed[-1]
    stored = loop.annotator.request("GET", f"/api/annotations/{annotation}/")
    parents = {each["id"]: each["model_version"] for each in loop.annotator.predictions(loop.id)}
    assert before["model_version"] == first
    assert [mask.tolist() for mask in reviewed["Coin"]] == [RIGHT.tolist(), MISSED.tolist()]
    assert second != first
    assert loop.shown()["model_version"] == second
    assert loop.versions() == {2: [first], 3: [first], 4: [second], 5: [second], 6: [second]}
    assert parents[stored["parent_prediction"]] == first
    assert len(stored["result"]) == 2
    found = next(each for each in loop.annotator.predictions(loop.id) if each["task"] == loop.tasks[3])
    assert np.array_equal(region_mask(found["result"][1]), MISSED)


def test_a_generation_comes_after_one_two_and_four_corrections_or_when_it_is_asked_for(loop: Loop) -> None:
    """Three corrections teach no more than two, until somebody starts the training in Label Studio."""
    versions = [loop.version]
    for number in (2, 3, 4):
        loop.correct(number)
        loop.run()
        versions.append(loop.version)
    backend = loop.annotator.request("GET", f"/api/ml?project={loop.id}")[0]["id"]
    loop.annotator.request("POST", f"/api/ml/{backend}/train", json={})
    loop.run()
    versions.append(loop.version)

    assert [len(lesson) for lesson in loop.core.reviewed] == [1, 2, 3]
    assert len(dict.fromkeys(versions)) == 4
    assert versions[2] == versions[3]


def test_an_old_generation_is_made_current_until_there_is_something_new(loop: Loop) -> None:
    generations, first = Generations(loop.context.queue), loop.version
    loop.correct(2)
    loop.run()
    second = loop.version

    generations.make_current(loop.id, first)
    loop.run()
    back = (loop.version, loop.versions(), loop.shown()["model_version"])
    loop.correct(3)
    loop.run()

    assert back == (first, {2: [first], **{task: [first] for task in (3, 4, 5, 6)}}, first)
    assert loop.version not in (first, second)
    assert [note.version for note in generations.list(loop.id)] == [loop.version, second, first]
    assert [note.evidence for note in generations.list(loop.id)][1:] == [
        generations.list(loop.id)[0].evidence[:1],
        (),
    ]


def test_a_deleted_correction_teaches_no_more(loop: Loop) -> None:
    first = loop.version
    annotation = loop.correct(2)
    loop.run()
    taught = loop.version

    loop.annotator.delete(annotation)
    loop.run()

    assert taught != first
    assert loop.version == first
    assert loop.versions() == {task: [first] for task in (2, 3, 4, 5, 6)}


def test_an_excluded_correction_teaches_no_more_and_an_excluded_reference_is_none(loop: Loop) -> None:
    generations, first = Generations(loop.context.queue), loop.version
    (reference,) = generations.list(loop.id)[0].references
    annotation = loop.correct(2)
    loop.run()
    taught = loop.version
    generations.exclude(loop.id, annotation)
    loop.run()
    excluded = loop.version
    generations.exclude(loop.id, reference[1])
    loop.run()
    gone = loop.context.progress.project(loop.id)
    generations.include(loop.id, reference[1])
    generations.include(loop.id, annotation)
    loop.run()

    assert (excluded, loop.version) == (first, taught)
    assert gone.model_version is None
    assert f"annotations {reference[1]}, {annotation}" in str(gone.reason)


def test_a_redis_that_came_back_empty_loses_nothing_that_was_learned(loop: Loop) -> None:
    loop.correct(2)
    loop.run()
    taught, held = loop.version, loop.annotator.predictions(loop.id)
    loop.context.connection.flushall()
    loop.context.generations.clear()

    loop.context.queue.enqueue_sync(loop.id)
    loop.run()

    assert loop.version == taught
    assert loop.annotator.predictions(loop.id) == held


def test_another_worker_predicts_with_what_the_first_has_learned(loop: Loop) -> None:
    """It rebuilds the references, and need not learn once more."""
    loop.correct(2)
    loop.run()
    lessons = len(loop.core.reviewed)
    (later,) = loop.annotator.upload(loop.id, {"later.png": png(99)})
    loop.tasks.append(later)
    other = replace(loop.context, generations=type(loop.context.generations)())
    Loop(loop.id, loop.tasks, loop.annotator, other, loop.core).run()

    assert loop.versions()[TASKS + 1] == [loop.version]
    assert len(loop.core.reviewed) == lessons


def test_the_least_sure_task_is_handed_out_first_where_that_is_set(loop: Loop) -> None:
    """Tasks are as sure as their numbers are high; the first is annotated."""
    sure = iter([0.8, 0.7, 0.2, 0.6, 0.5])

    def find(*_: object, **__: object) -> Segmentation:
        found = (Instance("Coin", mask_window(RIGHT), next(sure), 0.5),)
        return Segmentation(found, StageSeconds(0, 0, 0))

    loop.context = replace(loop.context, find=find, sampling="uncertainty")
    loop.context.connection.flushall()
    for each in loop.annotator.predictions(loop.id):
        loop.annotator.request("DELETE", f"/api/predictions/{each['id']}/")
    loop.context.queue.enqueue_sync(loop.id)
    loop.run()

    assert loop.shown()["sampling"] == "Uncertainty sampling"
    assert loop.annotator.request("GET", f"/api/projects/{loop.id}/next")["id"] == loop.tasks[3]


def test_a_label_config_that_changes_mid_project_is_followed(loop: Loop) -> None:
    """A label more changes nothing until somebody paints it; then predictions have both."""
    first = loop.version
    config = LABEL_CONFIG.replace("</BrushLabels>", '<Label value="Nut"/></BrushLabels>')
    assert config != LABEL_CONFIG

    def find(*_: object, **__: object) -> Segmentation:
        found = [
            Instance("Coin", mask_window(RIGHT), 0.75, 0.5),
            Instance("Nut", mask_window(WRONG), 0.75, 0.5),
        ]
        return Segmentation(tuple(found), StageSeconds(0, 0, 0))

    loop.annotator.request("PATCH", f"/api/projects/{loop.id}/", json={"label_config": config})
    loop.run()
    unchanged = loop.version
    loop.context = replace(loop.context, find=find)
    loop.annotator.annotate(loop.tasks[1], [brush_region(WRONG, label="Nut")])
    loop.run()

    assert unchanged == first != loop.version
    assert loop.versions() == {task: [loop.version] for task in (3, 4, 5, 6)} | {2: [first]}
    newest = [each for each in loop.annotator.predictions(loop.id) if each["model_version"] == loop.version]
    labels = [[region["value"]["brushlabels"] for region in each["result"]] for each in newest]
    assert labels == [[["Coin"], ["Nut"]]] * 4


def test_the_order_is_set_though_nothing_new_is_predicted(loop: Loop) -> None:
    before, version = loop.shown()["sampling"], loop.version
    loop.context = replace(loop.context, sampling="uncertainty")
    loop.run()

    assert (before, loop.shown()["sampling"]) == ("Sequential sampling", "Uncertainty sampling")
    assert loop.version == version


@pytest.mark.parametrize("prelabels", [True, False])
def test_where_nobody_has_chosen_which_predictions_annotators_begin_with_it_is_ours(
    loop: Loop, prelabels: bool
) -> None:
    """With prelabelling turned on later, Label Studio knows of none and would show none."""
    settings = {"model_version": "", "show_collab_predictions": prelabels}
    loop.annotator.request("PATCH", f"/api/projects/{loop.id}/", json=settings)

    loop.correct(2)
    loop.run()

    assert loop.shown()["model_version"] == (loop.version if prelabels else "")


def test_predictions_of_somebody_else_stay_shown_and_stored(loop: Loop) -> None:
    """The owner of the project has chosen another model's predictions."""
    item = {"task": loop.tasks[3], "model_version": "theirs", "score": 0.5, "result": [brush_region(WRONG)]}
    loop.annotator.request("POST", f"/api/projects/{loop.id}/import/predictions", json=[item])
    loop.annotator.request("PATCH", f"/api/projects/{loop.id}/", json={"model_version": "theirs"})
    loop.correct(2)
    loop.run()

    assert loop.shown()["model_version"] == "theirs"
    assert loop.versions()[4] == sorted([loop.version, "theirs"])


def test_older_predictions_stay_as_long_as_somebody_may_have_them_open(loop: Loop) -> None:
    """Label Studio would refuse what was made of them."""
    first = loop.version
    loop.context = replace(loop.context, stale_s=3600)
    loop.correct(2)
    finishing = Finishing(loop.context.queue)
    loop.burst()
    finishing.enqueue_due(stale_s=3600)
    loop.burst()
    finishing.enqueue_due(stale_s=3600)
    loop.burst()
    second = loop.version

    opened = next(
        each
        for each in loop.annotator.predictions(loop.id)
        if each["task"] == loop.tasks[4] and each["model_version"] == first
    )
    assert loop.shown()["model_version"] == second
    assert loop.versions()[4] == sorted([first, second])
    assert loop.annotator.annotate(loop.tasks[4], opened["result"], parent_prediction=opened["id"])


def test_a_corrected_task_becomes_a_reference_where_that_is_set(loop: Loop) -> None:
    """Also for a worker that has not chosen it itself."""
    first = loop.version
    loop.context = replace(
        loop.context,
        learning=LearningOptions(max_references=2),
        learn=lambda *_, **__: NOTHING,
    )
    loop.correct(2)
    loop.run()
    second, notes = loop.version, loop.context.known.list(loop.id)
    kept = loop.context.generations.get(loop.id, second)
    other = replace(loop.context, generations=type(loop.context.generations)())
    rebuilt = ready_generation(other, PredictTasks(loop.id, second, (loop.tasks[3],)))

    assert second != first
    assert [len(note.references) for note in notes] == [2, 1]
    assert [each.task for each in loop.context.progress.project(loop.id).references] == loop.tasks[:2]
    assert kept is not None
    assert rebuilt is not None
    assert [each.annotation_id for each in rebuilt.picked] == [each.annotation_id for each in kept.picked]
    assert len(rebuilt.references) == len(kept.references) == 2


def test_learning_is_offered_soon_after_a_review_and_not_when_nothing_is_left_to_learn(
    loop: Loop, web: Stack
) -> None:
    """On demand only. The review comes right after a sync, so it is counted by one a minute later."""
    loop.context = replace(loop.context, learning=LearningOptions("manual"))
    loop.context.queue.enqueue_sync(loop.id)
    loop.run()

    def is_offered() -> bool:
        page = requests.get(f"{web.url}/status", headers={"Accept": "text/html"}, timeout=10).text
        return f'action="/projects/{loop.id}/learn-now"' in page

    offered = [is_offered()]
    corrected = loop.correct(2)
    offered.append(is_offered())
    loop.run()
    counted_at_once = web.project(loop.id)["learning"]["agreement"]
    loop.context.connection.zadd(LATE_SYNCS, {str(loop.id): 0}, xx=True)
    loop.context.queue.enqueue_late_syncs()
    loop.run()
    counted = [each["overall"]["reviewed"] for each in web.project(loop.id)["learning"]["agreement"]]
    offered.append(is_offered())
    for press in ("learn-now", f"annotations/{corrected}/exclude"):
        requests.post(f"{web.url}/projects/{loop.id}/{press}", timeout=10)
        loop.run()
        offered.append(is_offered())

    assert (counted_at_once, counted) == ([], [1])
    assert len(loop.core.reviewed) == 1
    assert offered == [False, True, True, False, False]


def test_people_see_what_was_kept_of_each_generation_and_go_back_from_the_page(
    loop: Loop, web: Stack
) -> None:
    """Of the first one's two regions one is kept and one is missing; of the second one's both are right."""
    first = loop.version
    loop.correct(2)
    loop.run()
    second = loop.version
    loop.correct(3)
    loop.run()

    told = web.project(loop.id)["learning"]
    page = requests.get(f"{web.url}/status", headers={"Accept": "text/html"}, timeout=10).text
    pressed = requests.post(f"{web.url}/projects/{loop.id}/generations/{first}/make-current", timeout=10)
    loop.run()

    measured = [(each["model_version"], each["overall"]["effort"]) for each in told["agreement"]]
    assert measured == [(first, 1), (second, 0)]
    assert [each["overall"]["kept"] for each in told["agreement"]] == [1, 2]
    assert "50 % kept · mean IoU 1.00 · 100 % of the work left" in page
    assert "1 reviewed: 1 kept, 0 redrawn, 1 deleted, 1 added" in page
    assert "100 % kept · mean IoU 1.00 · 0 % of the work left" in page
    assert "1 reviewed: 2 kept, 0 redrawn, 0 deleted, 0 added" in page
    assert pressed.json() == {"action": "make-current", "project": loop.id, "changed": True}
    assert loop.shown()["model_version"] == first
