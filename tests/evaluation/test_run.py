"""Running methods over searches, on a tiny random SAM: what is asked of whom, and what is judged."""

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.episodes import Shares, episodes, searches
from backend.evaluation.methods import Method
from backend.evaluation.metrics import Tally
from backend.evaluation.predictions import Found
from backend.evaluation.rle import encode
from backend.evaluation.run import best_iou, run_searches
from backend.evaluation.scene import Scene
from backend.vision.clock import StageSeconds
from backend.vision.guidance import GuidanceMode
from backend.vision.instance import Instance, mask_window
from backend.vision.pipeline import Models, SearchOptions, Segmentation
from backend.vision.sam import ImageEmbedding

Asked = list[tuple[list[str], ImageEmbedding]]


def image(name: str, classes: dict[int, str], *, group: str = "g") -> LabelledImage:
    """An image of 40 x 60 with squares of 10 x 10 side by side."""
    ids = np.zeros((40, 60), dtype=np.int32)
    for number in classes:
        ids[5:15, 12 * number : 12 * number + 10] = number
    pixels = np.random.default_rng(len(name)).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return LabelledImage(name, group, classes, lambda: pixels, lambda: ids)


def finding(instances: dict[str, NDArray[np.bool_]], asked: Asked, *, competes: bool = True) -> Method:
    """A method that always finds the same, and notes what it was asked."""

    def find(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:  # noqa: ARG001
        asked.append(([reference.label for reference in scene.references], scene.embedding))
        found = tuple(Instance(label, mask_window(mask), 0.9, 0.8) for label, mask in instances.items())
        return Segmentation(found, StageSeconds(0.0, 2.0, 1.0))

    return Method("finding", find, competes=competes)


def test_what_is_found_is_judged_class_by_class(models: Models) -> None:
    """Image b: the fig is found; a date is found where none is."""
    images = (
        image("a", {1: "fig", 2: "date"}),
        image("b", {1: "fig"}),
        image("c", {1: "date"}),
    )
    fig = images[1].masks("fig")[1]
    asked: Asked = []
    plan = searches(episodes(Dataset("d", images)), labels="all")

    (_, (run,)), _ = run_searches(
        models, plan, [finding({"fig": fig, "date": ~fig}, asked)], options=SearchOptions()
    )

    assert [labels for labels, _ in asked] == [["date", "fig"]] * 2
    assert {outcome.label: outcome.counts for outcome in run.outcomes} == {
        "date": Tally(absent_images=1, absent_false=1),
        "fig": Tally(true=1, matched=1, iou_sum=1.0, best_iou_sum=1.0, images=1),
    }
    assert (run.seconds["search"], run.seconds["check"]) == (2.0, 1.0)
    assert run.seconds["encode"] > 0


def test_an_image_searched_for_several_labels_is_encoded_once(models: Models) -> None:
    images = (image("a", {1: "fig", 2: "date"}), image("b", {1: "fig", 2: "date"}))
    asked: Asked = []
    plan = searches(episodes(Dataset("d", images)), labels="solo")

    runs = [run for _, (run,) in run_searches(models, plan, [finding({}, asked)], options=SearchOptions())]

    assert [labels for labels, _ in asked] == [["date"], ["fig"]]
    assert asked[0][1] is asked[1][1]
    assert runs[1].seconds["encode"] < runs[0].seconds["encode"]


def test_a_method_without_competition_is_asked_for_the_own_group_only(models: Models) -> None:
    """Boards of two kinds, each in a group of its own; the pipeline has both to choose from."""
    images = tuple(image(f"{board}{n}", {1: board}, group=board) for board in ("due", "uno") for n in "12")
    together: Asked = []
    apart: Asked = []
    plan = searches(episodes(Dataset("d", images)), labels="all")
    methods = [finding({}, together), finding({}, apart, competes=False)]

    (_, runs), _ = run_searches(models, plan, methods, options=SearchOptions())

    assert [labels for labels, _ in together] == [["due", "uno"]] * 2
    assert [labels for labels, _ in apart] == [["due"], ["uno"]]
    assert [[outcome.label for outcome in run.outcomes] for run in runs] == [["due", "uno"], ["due"]]


def test_all_references_of_a_label_are_shown(models: Models) -> None:
    images = tuple(image(name, {1: "fig"}) for name in "abc")
    asked: Asked = []
    plan = searches(episodes(Dataset("d", images), shares=Shares(references=2, hold_out=2)), labels="all")

    _ = list(run_searches(models, plan, [finding({}, asked)], options=SearchOptions()))

    assert [labels for labels, _ in asked] == [["fig", "fig"]]


@pytest.mark.parametrize(("own", "expected"), [(None, "hf"), ("exact", "exact")])
def test_a_method_keeps_the_guidance_it_is_published_with(
    models: Models, own: GuidanceMode | None, expected: str
) -> None:
    seen: list[str] = []

    def find(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:  # noqa: ARG001
        seen.append(options.guidance)
        return Segmentation((), StageSeconds(0.0, 0.0, 0.0))

    images = (image("a", {1: "fig"}), image("b", {1: "fig"}))
    plan = searches(episodes(Dataset("d", images)), labels="all")

    _ = list(
        run_searches(models, plan, [Method("m", find, guidance=own)], options=SearchOptions(guidance="hf"))
    )

    assert seen == [expected]


def test_the_single_best_mask_is_the_most_confident_one() -> None:
    """It covers half of the second fig; a less confident one would fit exactly."""
    figs = image("a", {1: "fig", 2: "fig"}).masks("fig")
    true = [encode(mask) for mask in figs.values()]
    half = figs[2].copy()
    half[:, :29] = False
    found = [Found("fig", true[0], 0.8, 0.9), Found("fig", encode(half), 0.9, 0.9)]

    assert best_iou(found, true) == 0.5
    assert best_iou(found, []) == best_iou([], true) == 0
