"""Tasks with a left and a right image, predicted by a worker on a real Valkey."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.labelstudio.brush_rle import decode_rle
from backend.worker.context import WorkerContext
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.sync import sync
from tests.worker.cached_models import cached_models
from tests.worker.conftest import disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, png
from tests.worker.two_images import (
    OWN_LABELS,
    SIZES_HW,
    Core,
    address,
    annotate,
    make_two_images,
    painted,
)

RunJobs = Callable[..., dict[str, Any]]
LEFT, RIGHT = SIZES_HW.values()
Row = dict[str, Any]


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def predict(full_context: WorkerContext, run_jobs: RunJobs, core: Core) -> Callable[[], dict[int, Row]]:
    """Syncs, and runs what waits; gives what the status page says of each task."""

    def run() -> dict[int, Row]:
        full_context.queue.enqueue_sync(PROJECT)
        project = run_jobs(find=core.find, learn=core.learn)
        return {task["id"]: task for task in project["tasks"]}

    return run


def places(fake: FakeLabelStudio, task_id: int) -> list[tuple[str, str, list[str]]]:
    """Control, image and labels of the regions of a task's one prediction; each must show the disc."""
    (regions,) = [each["result"] for each in fake.predictions if each["task"] == task_id]
    for each in regions:
        size_hw = SIZES_HW[each["to_name"]]
        assert (each["original_height"], each["original_width"]) == size_hw
        assert np.array_equal(decode_rle(each["value"]["rle"], size_hw), disc_mask(size_hw))
    return [(each["from_name"], each["to_name"], each["value"]["brushlabels"]) for each in regions]


def fetched(fake: FakeLabelStudio, task_id: int) -> Counter[str]:
    """How often each image of a task was asked for."""
    names = {address(task_id, name): name for name in SIZES_HW}
    asked = [names.get(each.removeprefix("GET ")) for each in fake.requests]
    return Counter(name for name in asked if name)


@pytest.mark.parametrize("drawn_on", ["left", "right"])
def test_a_reference_on_one_image_serves_both_where_they_have_its_label(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]], core: Core, drawn_on: str
) -> None:
    """One prediction a task, each region in the control, on the image and of the size where it was found."""
    make_two_images(fake)
    annotate(fake, 1, painted(drawn_on))

    tasks = predict()

    assert fake.predicted() == [2, 3]
    both = [("left-brush", "left", ["Coin"]), ("right-brush", "right", ["Coin"])]
    assert [places(fake, task) for task in (2, 3)] == [both, both]
    assert core.searched == [(LEFT, ["Coin"]), (RIGHT, ["Coin"])] * 2
    assert fetched(fake, 2) == {"left": 1, "right": 1}
    assert [(tasks[2][name]) for name in ("state", "instances", "confidence")] == ["done", 2, 0.75]


def test_with_labels_of_their_own_each_image_is_searched_for_these_only(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]], core: Core
) -> None:
    """Both references are painted in one annotation, and each is taken from its own image."""
    make_two_images(fake, label_config=OWN_LABELS)
    annotate(fake, 1, painted("right", "Nut"), painted("left"))

    predict()

    assert places(fake, 2) == [("left-brush", "left", ["Coin"]), ("right-brush", "right", ["Nut"])]
    assert core.searched[:2] == [(LEFT, ["Coin"]), (RIGHT, ["Nut"])]


def test_an_image_without_a_label_that_has_a_reference_is_not_even_fetched(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]], core: Core
) -> None:
    make_two_images(fake, label_config=OWN_LABELS)
    annotate(fake, 1, painted("right", "Nut"))

    predict()

    assert places(fake, 2) == [("right-brush", "right", ["Nut"])]
    assert core.searched == [(RIGHT, ["Nut"])] * 2
    assert fetched(fake, 2) == {"right": 1}


def test_an_image_that_cannot_be_used_is_left_out_and_the_task_says_why(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]]
) -> None:
    """Gone, broken, and without an address; the others of the task are predicted all the same."""
    make_two_images(fake, tasks=5)
    annotate(fake, 1, painted("left"))
    del fake.files[address(2, "right")]
    fake.files[address(3, "left")] = b"a text file"
    del fake.tasks[4]["r"]

    tasks = predict()

    assert [[place for _, place, _ in places(fake, task)] for task in (2, 3, 4, 5)] == [
        ["left"],
        ["right"],
        ["left"],
        ["left", "right"],
    ]
    assert {task["state"] for task in tasks.values()} == {"done"}
    assert tasks[2]["reason"].startswith("predicted without 'right' (")
    assert tasks[3]["reason"].startswith("predicted without 'left' (expected an image")
    assert "under 'r' in the task's data" in tasks[4]["reason"]
    assert tasks[5]["reason"] is None


def test_a_task_without_a_usable_image_fails_with_the_reason_for_each(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]]
) -> None:
    make_two_images(fake)
    annotate(fake, 1, painted("left"))
    fake.files[address(2, "left")] = b"a text file"
    fake.tasks[2]["r"] = ""

    tasks = predict()

    assert fake.predicted() == [3]
    assert tasks[2]["state"] == "failed"
    assert "'left' (expected an image in one of the formats" in tasks[2]["reason"]
    assert "'right' (expected the address of an image under 'r'" in tasks[2]["reason"]


def test_a_task_waits_for_an_image_whose_server_fails_for_a_moment(
    fake: FakeLabelStudio, full_context: WorkerContext, run_jobs: RunJobs, core: Core
) -> None:
    """No prediction without it is stored meanwhile."""
    make_two_images(fake)
    annotate(fake, 1, painted("left"))
    fake.broken = lambda path: 503 if path == address(2, "right") else None
    full_context.queue.enqueue_sync(PROJECT)
    between = run_jobs(jobs=3, find=core.find)
    states = {task["id"]: task["state"] for task in between["tasks"]}
    stored = fake.predicted()

    fake.broken = lambda _: None
    run_jobs(jobs=1, find=core.find)

    assert (states, stored) == ({2: "queued", 3: "done"}, [3])
    assert fake.predicted() == [2, 3]
    assert len(places(fake, 2)) == 2


def test_an_image_that_joins_changes_the_version_and_one_with_other_labels_does_not(
    fake: FakeLabelStudio, full_context: WorkerContext
) -> None:
    make_two_images(fake, label_config=OWN_LABELS)
    annotate(fake, 1, painted("left"))
    apart = sync(full_context, PROJECT).model_version
    fake.label_config = "".join(line for line in OWN_LABELS.splitlines(True) if "right" not in line)
    alone = sync(full_context, PROJECT).model_version
    make_two_images(fake)
    annotate(fake, 1, painted("left"))

    assert apart == alone != sync(full_context, PROJECT).model_version


def test_what_was_reviewed_teaches_image_by_image(
    fake: FakeLabelStudio, predict: Callable[[], dict[int, Row]], core: Core
) -> None:
    """With the labels that are looked for there, the masks of that image, and its own references."""
    make_two_images(fake, label_config=OWN_LABELS)
    annotate(fake, 1, painted("left"), painted("right", "Nut"))
    predict()
    parent = next(each["id"] for each in fake.predictions if each["task"] == 2)
    annotate(fake, 2, painted("right", "Nut", origin="prediction"), parent_prediction=parent)

    predict()

    left, right = core.reviewed
    assert (left.image.shape[:2], right.image.shape[:2]) == (LEFT, RIGHT)
    assert (left.labels, right.labels) == (frozenset({"Coin"}), frozenset({"Nut"}))
    assert left.masks == {}
    assert [mask.tolist() for mask in right.masks["Nut"]] == [disc_mask(RIGHT).tolist()]
    assert left.own == right.own == frozenset()


def test_a_warm_up_embeds_all_images_that_may_be_searched(
    fake: FakeLabelStudio, full_context: WorkerContext, run_jobs: RunJobs, tmp_path: Path
) -> None:
    """Counted are tasks: one of which one image can be embedded is done."""
    make_two_images(fake, tasks=4)
    noise = np.random.default_rng(0)
    for path in fake.files:
        size_hw = RIGHT if "right" in path else LEFT
        fake.files[path] = png(noise.integers(0, 255, (*size_hw, 3), dtype=np.uint8))
    del fake.files[address(3, "right")]
    fake.tasks[4] = {}
    embeddings = EmbeddingCache(tmp_path, max_bytes=2**30)

    full_context.warm_ups.start(PROJECT)
    run_jobs(models=cached_models(embeddings), embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done, progress.failed) == ("finished", 3, 1)
    assert full_context.counters.read()["cache:miss"] == 2 * 5
