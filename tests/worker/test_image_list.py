"""Tasks with a list of images in one Image (`valueList`), predicted by a worker on a real Valkey."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.jobs.queue import JobQueue
from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.outputs import OutputOptions
from backend.vision.pipeline import Segmentation
from backend.worker.context import WorkerContext
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.sync import sync
from tests.worker.cached_models import cached_models
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, png, region
from tests.worker.two_images import Core, annotate

RunJobs = Callable[..., dict[str, Any]]
Row = dict[str, Any]
LABEL_CONFIG = """<View>
  <Image name="pages" valueList="$scan.pages"/>
  <BrushLabels name="brush" toName="pages"><Label value="Coin"/></BrushLabels>
</View>"""
SIZES_HW = [(48, 80), (40, 56), (50, 50)]  # of the first page, the second and the third


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def predict(full_context: WorkerContext, run_jobs: RunJobs, core: Core) -> Callable[..., dict[int, Row]]:
    """Syncs, and runs what waits; gives what the status page says of each task."""

    def run(**instead: Any) -> dict[int, Row]:
        full_context.queue.enqueue_sync(PROJECT)
        project = run_jobs(find=core.find, learn=core.learn, **instead)
        return {task["id"]: task for task in project["tasks"]}

    return run


def address(task_id: int, item: int) -> str:
    """Of one image of a task."""
    return f"/data/upload/{PROJECT}/{task_id}-{item}.png"


def make_lists(fake: FakeLabelStudio, *lengths: int) -> None:
    """Give the project a task with so many images for each of *lengths*; none is annotated."""
    fake.label_config = LABEL_CONFIG
    fake.annotations.clear()
    fake.tasks.clear()
    for task_id, length in enumerate(lengths, start=1):
        fake.tasks[task_id] = {"scan": {"pages": [address(task_id, item) for item in range(length)]}}
        for item in range(length):
            fake.files[address(task_id, item)] = png(disc(SIZES_HW[item]))


def painted(item: int, **extra: Any) -> dict[str, Any]:
    """A person's region: the disc on one image."""
    drawn = region(disc_mask(SIZES_HW[item])) | {"from_name": "brush", "to_name": "pages"}
    return drawn | {"id": f"painted-{item}", "item_index": item} | extra


def items(fake: FakeLabelStudio, task_id: int) -> list[int]:
    """The images that the regions of a task's one prediction are on; each must show the disc there."""
    (regions,) = [each["result"] for each in fake.predictions if each["task"] == task_id]
    for each in regions:
        size_hw = SIZES_HW[each["item_index"]]
        assert (each["original_height"], each["original_width"]) == size_hw
        assert np.array_equal(decode_rle(each["value"]["rle"], size_hw), disc_mask(size_hw))
        assert (each["from_name"], each["to_name"]) == ("brush", "pages")
    return [each["item_index"] for each in regions]


@pytest.mark.parametrize("drawn_on", [0, 1])
def test_a_mask_on_any_image_of_a_list_finds_what_is_on_all_images_of_the_others(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]], core: Core, drawn_on: int
) -> None:
    """Each list has a length of its own; one prediction a task, each region of the size of its image."""
    make_lists(fake, 2, 3, 1)
    annotate(fake, 1, painted(drawn_on))

    tasks = predict()

    assert fake.predicted() == [2, 3]
    assert (items(fake, 2), items(fake, 3)) == ([0, 1, 2], [0])
    assert [size for size, _ in core.searched] == [*SIZES_HW, SIZES_HW[0]]
    assert f"GET {address(1, drawn_on)}" in fake.requests
    assert f"GET {address(1, 1 - drawn_on)}" not in fake.requests
    assert [tasks[task]["instances"] for task in (2, 3)] == [3, 1]


def test_images_that_cannot_be_used_are_left_out_and_the_task_says_which_and_why(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]]
) -> None:
    """Gone, broken, and without an address; the others of the list are predicted all the same."""
    make_lists(fake, 1, 3, 3, 3)
    annotate(fake, 1, painted(0))
    del fake.files[address(2, 1)]
    fake.files[address(3, 0)] = b"a text file"
    fake.tasks[4]["scan"]["pages"][2] = None

    tasks = predict()

    assert [items(fake, task) for task in (2, 3, 4)] == [[0, 2], [1, 2], [0, 1]]
    assert tasks[2]["reason"].startswith("predicted without image 2 of 'pages' (")
    assert tasks[3]["reason"].startswith("predicted without image 1 of 'pages' (expected an image")
    assert "image 3 of 'pages' (expected the address of an image under 'scan.pages[2]'" in tasks[4]["reason"]


@pytest.mark.parametrize("pages", [[], "/1.png", None, {"a": 1}])
def test_a_task_without_a_list_of_images_fails_with_the_reason(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]], pages: object
) -> None:
    make_lists(fake, 1, 1, 1)
    annotate(fake, 1, painted(0))
    fake.tasks[2]["scan"]["pages"] = pages

    tasks = predict()

    assert fake.predicted() == [3]
    assert tasks[2]["state"] == "failed"
    assert tasks[2]["reason"].startswith(
        f"expected a list of images' addresses under 'scan.pages' in the task's data, got {pages!r};"
    )


def test_of_many_images_that_cannot_be_used_a_few_are_told(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]]
) -> None:
    make_lists(fake, 1, 1)
    annotate(fake, 1, painted(0))
    fake.tasks[2]["scan"]["pages"] = [None] * 40

    reason = predict()[2]["reason"]

    assert "got none: 40 images, among them image 1 of 'pages' (expected the address of an image" in reason
    assert "image 4" not in reason


def test_the_bound_on_regions_is_one_for_all_images_of_a_list(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]]
) -> None:
    make_lists(fake, 1, 3)
    annotate(fake, 1, painted(0))

    tasks = predict(output=OutputOptions(max_regions=2))

    (limit,) = tasks[2]["limits"]
    assert limit.startswith("3 painted regions are more than ONESHOT_MAX_REGIONS allows (2)")


def test_what_was_reviewed_teaches_image_by_image(
    fake: FakeLabelStudio, predict: Callable[..., dict[int, Row]], core: Core
) -> None:
    """An image on which nothing was left teaches, too; the reviewed task's own reference is known as such."""
    make_lists(fake, 1, 2)
    annotate(fake, 1, painted(0))
    predict()
    parent = fake.predictions[0]["id"]
    annotate(fake, 2, painted(1, origin="prediction"), parent_prediction=parent)

    predict()

    assert [(each.image.shape[:2], list(each.masks)) for each in core.reviewed] == [
        (SIZES_HW[0], []),
        (SIZES_HW[1], ["Coin"]),
    ]
    assert [each.key for each in core.reviewed] == [(2, "scan.pages[0]"), (2, "scan.pages[1]")]


def test_an_image_that_shows_a_list_from_now_on_changes_the_version(
    fake: FakeLabelStudio, full_context: WorkerContext
) -> None:
    """Its regions tell their image then."""
    make_lists(fake, 1, 1)
    annotate(fake, 1, painted(0))
    listed = sync(full_context, PROJECT).model_version
    fake.label_config = LABEL_CONFIG.replace('valueList="$scan.pages"', 'value="$scan.pages[0]"')

    assert sync(full_context, PROJECT).model_version != listed


def test_each_image_of_a_task_has_a_time_of_its_own(
    fake: FakeLabelStudio, full_context: WorkerContext, run_jobs: RunJobs, core: Core
) -> None:
    """Three seconds each: three of 1.5 s are searched, though there is one task."""
    make_lists(fake, 1, 3)
    annotate(fake, 1, painted(0))

    def slow(*args: Any, **options: Any) -> Segmentation:
        time.sleep(1.5)
        return core.find(*args, **options)

    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(find=slow, queue=JobQueue(full_context.connection, task_timeout_s=3))

    assert items(fake, 2) == [0, 1, 2]


def test_a_warm_up_embeds_every_image_of_the_lists(
    fake: FakeLabelStudio, full_context: WorkerContext, run_jobs: RunJobs, tmp_path: Path
) -> None:
    make_lists(fake, 2, 3, 0)
    noise = np.random.default_rng(0)
    for path in fake.files:
        fake.files[path] = png(noise.integers(0, 255, (48, 80, 3), dtype=np.uint8))
    embeddings = EmbeddingCache(tmp_path, max_bytes=2**30)

    full_context.warm_ups.start(PROJECT)
    run_jobs(models=cached_models(embeddings), embeddings=embeddings)

    progress = full_context.warm_ups.progress(PROJECT)
    assert progress is not None
    assert (progress.state, progress.done, progress.failed) == ("finished", 2, 1)
    assert full_context.counters.read()["cache:miss"] == 2 * 5
