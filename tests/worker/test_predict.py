"""One task's prediction; above all, that nothing that happens to the cache of embeddings changes it."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.labelstudio.brush_rle import decode_rle
from backend.labelstudio.client import Task
from backend.labelstudio.images import DecodedImage
from backend.labelstudio.outputs import OutputOptions
from backend.vision.clock import StageSeconds
from backend.vision.instance import Instance, mask_window
from backend.vision.pipeline import Segmentation
from backend.worker.context import WorkerContext
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.predict import Computed, compute
from backend.worker.prefetch import Loaded
from backend.worker.sync import sync
from tests.worker.cached_models import cached_models
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio
from tests.worker.two_images import SIZES_HW, Core, annotate, make_two_images, painted

RunJobs = Callable[..., dict[str, Any]]


def loading(loaded: Loaded) -> Future[Loaded]:
    """An image that has come."""
    future: Future[Loaded] = Future()
    future.set_result(loaded)
    return future


def found(fake: FakeLabelStudio) -> dict[int, list[Any]]:
    """The masks of each task's prediction."""
    return {each["task"]: [region["value"]["rle"] for region in each["result"]] for each in fake.predictions}


@pytest.fixture
def predict(full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs) -> Callable[..., Any]:
    """Predicts all tasks anew with a cache; gives the masks and how often the cache helped."""

    def run(embeddings: EmbeddingCache) -> tuple[dict[int, list[Any]], float]:
        fake.predictions.clear()
        full_context.connection.flushall()
        full_context.generations.clear()
        full_context.queue.enqueue_sync(PROJECT)
        run_jobs(models=cached_models(embeddings), embeddings=embeddings)
        return found(fake), full_context.counters.read().get("cache:hit", 0)

    return run


def test_predictions_are_the_same_fresh_kept_or_without_a_cache(
    predict: Callable[..., Any], tmp_path: Path
) -> None:
    fresh, _ = predict(EmbeddingCache(tmp_path, max_bytes=2**30))
    kept, hits = predict(EmbeddingCache(tmp_path, max_bytes=2**30))
    without, _ = predict(EmbeddingCache(tmp_path, max_bytes=0))

    assert hits > 0
    assert set(fresh) == {2, 3}
    assert fresh == kept == without


def test_damaged_files_change_nothing_and_are_written_anew(
    predict: Callable[..., Any], tmp_path: Path
) -> None:
    """Every other one is cut, the rest have a byte changed."""
    fresh, _ = predict(EmbeddingCache(tmp_path, max_bytes=2**30))
    files = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    for index, (path, whole) in enumerate(files.items()):
        path.write_bytes(whole[: len(whole) // 2] if index % 2 else whole[:-1] + bytes([whole[-1] ^ 1]))

    again, _ = predict(EmbeddingCache(tmp_path, max_bytes=2**30))

    assert again == fresh
    assert {path: path.read_bytes() for path in files} == files


def test_a_cache_that_cannot_be_written_changes_nothing_and_is_told_once(
    predict: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh, _ = predict(EmbeddingCache(tmp_path / "good", max_bytes=2**30))
    (tmp_path / "bad").write_text("a file where the folder should be")

    again, hits = predict(EmbeddingCache(tmp_path / "bad", max_bytes=2**30))

    assert (again, hits) == (fresh, 0)
    assert sum("the cache of embeddings cannot be written" in each for each in caplog.messages) == 1


def test_an_image_without_anything_gives_an_empty_prediction(full_context: WorkerContext) -> None:
    """So that Label Studio does not ask again."""
    version = str(sync(full_context, PROJECT).model_version)
    generation = full_context.generations.get(PROJECT, version)
    assert generation is not None
    blank = Loaded(DecodedImage.whole(np.full_like(disc(), 30)), seconds=0.5)

    computed = compute(full_context, generation, Task(2, {}), [loading(blank)])

    assert computed.progress.state == ("done" if computed.item["result"] else "empty")
    pushed = computed.pushed(0.25)
    assert set(pushed.stages) == {"fetch", "encode", "search", "check", "push"}
    assert pushed.stages["fetch"] == 0.5
    assert pushed.stages["push"] >= 0.25
    assert pushed.seconds == pytest.approx(sum(pushed.stages.values()), abs=1e-3)


def _finds(count: int, context: WorkerContext, *, specks: int = 0) -> WorkerContext:
    """A context whose core finds so many squares of 2 x 2 pixels, and specks of 3."""
    masks = [np.zeros(disc().shape[:2], bool) for _ in range(count)]
    for index, mask in enumerate(masks):
        mask[1:3, 3 * index : 3 * index + 2] = True
    speck = np.zeros(disc().shape[:2], bool)
    speck[5, :3] = True
    found = [Instance("Coin", mask_window(mask), 0.5, 0.5) for mask in masks]
    found += [Instance("Coin", mask_window(speck), 0.25, 0.5)] * specks
    segmentation = Segmentation(tuple(found), StageSeconds(0, 0, 0))
    return replace(context, find=lambda *_, **__: segmentation, output=OutputOptions(max_regions=3))


@pytest.mark.parametrize(("count", "regions"), [(3, 3), (4, 1)])
def test_more_regions_than_the_editor_bears_become_one_and_the_page_and_the_region_say_so(
    full_context: WorkerContext, count: int, regions: int
) -> None:
    context = _finds(count, full_context)
    generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
    assert generation is not None

    computed = compute(
        context, generation, Task(2, {}), [loading(Loaded(DecodedImage.whole(disc()), seconds=0))]
    )

    result = computed.item["result"]
    pixels = sum(decode_rle(each["value"]["rle"], SIZE_HW).sum() for each in result)
    assert (len(result), pixels, computed.progress.instances) == (regions, 4 * count, count)
    if count == regions:
        assert computed.progress.limits == ()
        assert "meta" not in result[0]
    else:
        (limit,) = computed.progress.limits
        assert limit.startswith("4 painted regions are more than ONESHOT_MAX_REGIONS allows (3)")
        assert limit.endswith("they became one mask of all 'Coin'")
        assert result[0]["meta"] == {"text": [limit]}


@pytest.mark.parametrize(
    ("count", "told", "score"),
    [(0, ("empty", 0, None), 1), (3, ("done", 3, 0.5), 0.5)],
    ids=["alone", "at the bound"],
)
def test_specks_are_no_instances(
    full_context: WorkerContext, count: int, told: tuple[str, int, float | None], score: float
) -> None:
    """What has 3 pixels neither counts, scores nor shows; the bound is three regions."""
    context = _finds(count, full_context, specks=2)
    generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
    assert generation is not None

    images = [loading(Loaded(DecodedImage.whole(disc()), seconds=0))]
    computed = compute(context, generation, Task(2, {}), images)

    progress = computed.progress
    assert (progress.state, progress.instances, progress.confidence) == told
    assert (len(computed.item["result"]), progress.limits, computed.item["score"]) == (count, (), score)


def test_a_things_own_specks_are_left_out(full_context: WorkerContext) -> None:
    """Also where many things become one mask: a small thing is none of a large one."""
    context = _finds(4, full_context)
    large = disc_mask()
    noisy = large.copy()
    noisy[40, 70:73] = True
    found = context.find(None, [], disc(), options=None, learned=None, size_hw=None)  # type: ignore[arg-type]
    found = replace(found, instances=(*found.instances, Instance("Coin", mask_window(noisy), 0.5, 0.5)))
    context = replace(context, find=lambda *_, **__: found)
    generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
    assert generation is not None

    images = [loading(Loaded(DecodedImage.whole(disc()), seconds=0))]
    (merged,) = compute(context, generation, Task(2, {}), images).item["result"]

    painted = decode_rle(merged["value"]["rle"], SIZE_HW)
    assert not painted[40, 70:73].any()
    assert painted.sum() == large.sum() + 4 * 4


def test_what_the_chosen_control_does_not_offer_for_a_task_goes_through_the_references(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    """The polygons' labels come from the task's data, and this task has none."""
    outline = '<PolygonLabels name="outline" toName="image" value="$things"/></View>'
    fake.label_config = fake.label_config.replace("</View>", outline)
    context = replace(_finds(2, full_context), output=OutputOptions(control="PolygonLabels"))
    generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
    assert generation is not None

    def drawn_with(data: dict[str, Any]) -> tuple[str, set[str]]:
        images = [loading(Loaded(DecodedImage.whole(disc()), seconds=0))]
        computed = compute(context, generation, Task(2, data), images)
        return computed.progress.state, {each["from_name"] for each in computed.item["result"]}

    assert drawn_with({}) == ("done", {"label"})
    assert drawn_with({"things": ["Coin"]}) == ("done", {"outline"})


def test_beyond_the_bound_labels_from_the_task_become_polygons(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    fake.label_config = """<View>
      <Image name="image" value="$image"/>
      <BrushLabels name="label" toName="image" value="$things"/>
      <PolygonLabels name="outline" toName="image" value="$things"/>
    </View>"""
    for data in fake.tasks.values():
        data["things"] = ["Coin"]
    context = _finds(4, full_context)
    generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
    assert generation is not None

    images = [loading(Loaded(DecodedImage.whole(disc()), seconds=0))]
    computed = compute(context, generation, Task(2, fake.tasks[2]), images)

    assert [each["from_name"] for each in computed.item["result"]] == ["outline"] * 4


@pytest.fixture
def compute_two(full_context: WorkerContext, fake: FakeLabelStudio) -> Callable[..., Computed]:
    """Computes a task's left and right image, given what finds and the output's settings."""

    def run(core: Core, **output: Any) -> Computed:
        make_two_images(fake)
        annotate(fake, 1, painted("left"))
        context = replace(full_context, find=core.find, output=OutputOptions(**output))
        generation = context.generations.get(PROJECT, str(sync(context, PROJECT).model_version))
        assert generation is not None
        images = [
            loading(Loaded(DecodedImage.whole(disc(size_hw)), seconds=0.5)) for size_hw in SIZES_HW.values()
        ]
        return compute(context, generation, Task(2, {}), images)

    return run


def test_the_figures_of_several_images_are_those_of_the_task(compute_two: Callable[..., Computed]) -> None:
    """Two things of confidence 0.5 and 1; a quarter of a thing may be missed in each image."""
    computed = compute_two(Core())

    progress = computed.progress
    assert (progress.state, progress.instances, progress.confidence) == ("done", 2, 0.75)
    assert computed.item["score"] == pytest.approx(1.5 / 2.5)
    assert {name: progress.stages[name] for name in ("fetch", "encode", "search", "check")} == {
        "fetch": 1,
        "encode": 2,
        "search": 4,
        "check": 6,
    }


def test_the_bound_on_regions_is_one_for_all_images_of_a_task(compute_two: Callable[..., Computed]) -> None:
    """Each image has one region, and together they are too many; it is told once."""
    computed = compute_two(Core(), max_regions=1)

    (limit,) = computed.progress.limits
    assert limit.startswith("2 painted regions are more than ONESHOT_MAX_REGIONS allows (1)")
    assert [(each["to_name"], each["meta"]) for each in computed.item["result"]] == [
        ("left", {"text": [limit]}),
        ("right", {"text": [limit]}),
    ]


@pytest.mark.parametrize(
    ("blind", "shown"),
    [((), "left"), (("left",), "right"), (("right",), "left"), (("left", "right"), "left")],
)
def test_the_picture_shows_the_first_image_with_something_found(
    compute_two: Callable[..., Computed], blind: list[str], shown: str
) -> None:
    computed = compute_two(Core(blind=[SIZES_HW[name] for name in blind]))

    assert computed.picture is not None
    with Image.open(BytesIO(computed.picture)) as picture:
        assert picture.size == SIZES_HW[shown][::-1]
