"""Pushes in batches beside the computing, in jobs run by a worker on a real Valkey."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from flask import request
from redis import Redis
from rq.timeouts import JobTimeoutException

from backend.jobs.pictures import Pictures
from backend.jobs.progress import TaskProgress
from backend.jobs.queue import JobQueue
from backend.labelstudio.client import LabelStudio
from backend.vision.clock import StageSeconds
from backend.vision.instance import Instance, mask_window
from backend.vision.pipeline import Segmentation
from backend.worker.context import WorkerContext
from backend.worker.predict import Computed
from backend.worker.push import PAUSE_S, fitting
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, TOKEN, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]
States = Callable[[], Mapping[int, str]]
IMPORT = f"POST /api/projects/{PROJECT}/import/predictions"
TASKS = [2, 3, 4, 5]
LONGER_THAN_PAUSE = partial(time.sleep, PAUSE_S + 0.1)
FOUND = Instance("Coin", mask_window(disc_mask()), confidence=0.5, similarity=0.5)


class Find:
    """Stands in for the core: finds one coin, and does what a test wants to happen meanwhile.

    Attributes:
        asked: how often it was called.
        at: by the number of the call, what happens in it.
    """

    def __init__(self, at: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.asked = 0
        self.at = at or {}

    def __call__(self, *_: Any, **__: Any) -> Segmentation:
        """Find the coin."""
        self.asked += 1
        self.at.get(self.asked, lambda: None)()
        return Segmentation((FOUND,), StageSeconds(encode=0.1, search=0.2, check=0.3))


@pytest.fixture
def version(full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs) -> str:
    """The project's generation, four of its tasks waiting in one job."""
    for _ in range(2):
        fake.add_task(disc())
    full_context.queue.enqueue_sync(PROJECT)
    found = str(run_jobs(jobs=1)["model_version"])
    full_context.queue.enqueue_tasks(PROJECT, found, TASKS, priority="opened")
    fake.requests.clear()
    return found


@pytest.fixture
def states(full_context: WorkerContext) -> States:
    """Gives the states of the four tasks."""
    return lambda: full_context.progress.states(PROJECT, TASKS)


def reason(project: dict[str, Any], task_id: int) -> str:
    return next(str(task["reason"]) for task in project["tasks"] if task["id"] == task_id)


@pytest.mark.usefixtures("version")
def test_what_is_found_while_a_push_is_under_way_is_stored_at_once(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    """The first push takes until the last image is computed. Nobody is asked about each task."""
    computed = threading.Event()

    def wait(path: str) -> None:
        if path.endswith("import/predictions"):
            assert computed.wait(30)

    fake.broken = wait
    run_jobs(jobs=1, find=Find({1: LONGER_THAN_PAUSE, 4: computed.set}))

    assert states() == dict.fromkeys(TASKS, "done")
    assert fake.predicted() == TASKS
    assert 2 <= fake.requests.count(IMPORT) <= 3
    assert "GET /api/predictions/" not in fake.requests


@pytest.mark.usefixtures("version")
def test_the_longer_a_push_takes_the_longer_the_next_one_waits(
    fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """Label Studio's time for an import grows with the project. What waits at the end goes at once."""

    def slow(path: str) -> None:
        if path.endswith("import/predictions"):
            time.sleep(1)

    fake.broken = slow
    started = time.monotonic()
    run_jobs(jobs=1, find=Find(dict.fromkeys([1, 2, 3], LONGER_THAN_PAUSE) | {4: partial(time.sleep, 1)}))

    assert fake.predicted() == TASKS
    assert fake.requests.count(IMPORT) == 2
    assert time.monotonic() - started < 8


@pytest.mark.usefixtures("version")
def test_what_is_quickly_computed_is_stored_in_few_requests(fake: FakeLabelStudio, run_jobs: RunJobs) -> None:
    """One for each pause that passes, and one when the job is over."""
    started = time.monotonic()
    run_jobs(jobs=1, find=Find())

    assert fake.predicted() == TASKS
    assert fake.requests.count(IMPORT) <= 1 + (time.monotonic() - started) // PAUSE_S


def computed(task_id: int, numbers: int) -> Computed:
    region = {"value": {"rle": [255] * numbers}}
    return Computed({"task": task_id, "result": [region]}, TaskProgress(task_id, "done"))


@pytest.mark.parametrize(
    ("numbers", "fit"), [([10] * 100, 64), ([2_000_000] * 5, 2), ([9_000_000, 1], 1), ([1, 9_000_000], 1)]
)
def test_a_request_holds_a_bounded_number_of_predictions_and_bytes(numbers: list[int], fit: int) -> None:
    """One that is larger goes alone."""
    assert fitting([computed(index, number) for index, number in enumerate(numbers)]) == fit


@pytest.mark.usefixtures("version")
def test_a_task_is_done_only_when_its_prediction_is_stored(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    seen: list[tuple[str, int]] = []

    def look(path: str) -> None:
        if path.endswith("import/predictions"):
            seen.extend(
                (full_context.progress.states(PROJECT, [each["task"]])[each["task"]], each["task"])
                for each in request.get_json()
            )

    fake.broken = look
    run_jobs(jobs=1, find=Find())

    assert seen == [("processing", task) for task in TASKS]
    assert states() == dict.fromkeys(TASKS, "done")


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("status", [400, 503])
def test_a_prediction_that_label_studio_refuses_does_not_take_others_with_it(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States, status: int
) -> None:
    """Whatever else is in its batch. 503 may be over later, so the task waits."""
    computed = threading.Event()

    def refuse(path: str) -> int | None:
        if not path.endswith("import/predictions"):
            return None
        computed.wait(30)
        return status if any(each["task"] == 3 for each in request.get_json()) else None

    fake.broken = refuse
    project = run_jobs(jobs=1, find=Find({4: computed.set}))

    assert fake.predicted() == [2, 4, 5]
    assert states() == {2: "done", 3: "failed" if status == 400 else "queued", 4: "done", 5: "done"}
    assert str(status) in reason(project, 3)


@pytest.mark.usefixtures("version")
def test_a_prediction_that_label_studio_drops_silently_is_noticed(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    computed = threading.Event()

    def wait(path: str) -> None:
        if path.endswith("import/predictions"):
            computed.wait(30)

    fake.broken = wait
    fake.drops = lambda item: item["task"] == 4
    run_jobs(jobs=1, find=Find({4: computed.set}))

    assert fake.predicted() == [2, 3, 5]
    assert states() == {2: "done", 3: "done", 4: "failed", 5: "done"}


def test_earlier_predictions_of_the_version_are_replaced(
    fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    """Those of others stay."""
    for number, (task, of) in enumerate([(2, version), (2, version), (3, "another"), (5, version)]):
        fake.predictions.append({"id": 900 + number, "task": task, "model_version": of, "result": []})

    run_jobs(jobs=1, find=Find())

    stored = sorted((each["task"], each["model_version"]) for each in fake.predictions)
    assert stored == sorted([*((task, version) for task in TASKS), (3, "another")])


@pytest.mark.usefixtures("version")
def test_what_people_did_while_the_model_computed_comes_first(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    """One task is annotated and one deleted after the job has read them."""

    def people() -> None:
        fake.annotate(2, disc_mask())
        fake.tasks.pop(3)

    run_jobs(jobs=1, find=Find({1: people}))

    assert fake.predicted() == [4, 5]
    assert states() == {2: "skipped", 4: "done", 5: "done"}


def test_nothing_is_pushed_for_an_older_generation(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs, version: str
) -> None:
    find = Find({2: lambda: full_context.progress.set_generation(PROJECT, version + "0", [])})

    run_jobs(jobs=1, find=find)

    assert set(fake.predicted()) <= {2}
    assert find.asked == 2


@pytest.mark.usefixtures("version")
def test_a_worker_that_is_to_stop_pushes_what_it_has_and_gives_back_the_rest(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    find = Find({2: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    run_jobs(jobs=1, find=find)

    assert find.asked == 2
    assert fake.predicted() == [2, 3]
    assert states() == {2: "done", 3: "done", 4: "queued", 5: "queued"}
    run_jobs(jobs=1, find=find)
    assert fake.predicted() == TASKS


@pytest.mark.usefixtures("version")
def test_when_the_time_is_over_only_the_task_in_hand_waits_for_another_attempt(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    def over() -> None:
        raise JobTimeoutException("over")

    run_jobs(jobs=1, find=Find({3: over}))

    assert fake.predicted() == [2, 3]
    assert states() == {2: "done", 3: "done", 4: "queued", 5: "queued"}


@pytest.mark.usefixtures("version")
def test_the_last_push_does_not_take_the_time_of_the_last_task(
    connection: Redis, fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    """Two seconds a task; the last one takes 1.5, and so does Label Studio then."""

    def slow(path: str) -> None:
        if path.endswith("import/predictions"):
            time.sleep(1.5)

    fake.broken = slow
    find = Find({4: partial(time.sleep, 1.5)})
    run_jobs(jobs=1, find=find, queue=JobQueue(connection, task_timeout_s=2))

    assert set(states().values()) == {"done"}


@pytest.mark.usefixtures("version")
def test_a_task_that_another_worker_is_pushing_waits_and_the_others_do_not(
    connection: Redis, fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    connection.set(f"oneshot:push-lock:{PROJECT}:3", "another worker", ex=60)

    project = run_jobs(jobs=1, find=Find())

    assert fake.predicted() == [2, 4, 5]
    assert states()[3] == "queued"
    assert "another worker" in reason(project, 3)


def test_a_worker_that_stood_still_until_its_lock_was_lost_leaves_one_prediction(
    connection: Redis, fake: FakeLabelStudio, run_jobs: RunJobs, states: States, version: str
) -> None:
    """Between its look at the task and its push, another one has stored a prediction of the same version."""

    def stand_still(path: str) -> None:
        if path.endswith("import/predictions") and not fake.predictions:
            connection.delete(*(f"oneshot:push-lock:{PROJECT}:{task}" for task in TASKS))
            other = {"id": 900, "task": 2, "model_version": version, "result": []}
            fake.predictions += [other, {**other, "id": 901, "model_version": "another"}]

    fake.broken = stand_still
    run_jobs(jobs=1, find=Find())

    assert fake.predicted() == [2, *TASKS]
    assert {each["id"] for each in fake.predictions if each["task"] == 2} >= {901}
    assert 900 not in {each["id"] for each in fake.predictions}
    assert states() == dict.fromkeys(TASKS, "done")


def test_seconds_of_the_stages_and_a_picture_are_kept(
    full_context: WorkerContext,
    run_jobs: RunJobs,
    version: str,
    connection: Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    full_context.progress.set_generation(PROJECT, version, [])
    with caplog.at_level("INFO", "backend.worker.tasks"):
        run_jobs(jobs=1, find=Find())

    sums = full_context.counters.read()
    assert sums["seconds:encode"] == pytest.approx(0.4)
    assert sums["seconds:search"] == pytest.approx(0.8)
    assert sums["seconds:check"] == pytest.approx(1.2)
    assert sums["seconds:fetch"] > 0
    assert sums["seconds:push"] > 0
    assert any("4 done in " in message and "check 1.20" in message for message in caplog.messages)
    assert Pictures(connection).task(PROJECT, 2)


@pytest.mark.usefixtures("version")
def test_after_an_import_that_was_not_answered_the_next_attempt_leaves_one_prediction(
    fake: FakeLabelStudio, run_jobs: RunJobs, states: States
) -> None:
    """Label Studio stores what it was sent, but after the worker has given up waiting."""
    hung: list[str] = []

    def hang(path: str) -> None:
        if path.endswith("import/predictions") and not hung:
            hung.append(path)
            time.sleep(2)

    fake.broken = hang
    with LabelStudio(fake.url, TOKEN, timeout_s=0.5) as impatient:
        run_jobs(jobs=1, find=Find(), label_studio=impatient)
        assert "queued" in states().values()
        time.sleep(1)
        run_jobs(jobs=2, find=Find())  # a page of the run's list comes first

    assert fake.predicted() == TASKS
    assert states() == dict.fromkeys(TASKS, "done")
