"""Running methods over searches, on a tiny random SAM: what is asked of whom, and what is judged."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.episodes import episodes, searches
from backend.evaluation.methods import METHODS, Method
from backend.evaluation.metrics import Tally
from backend.evaluation.run import run_searches
from backend.evaluation.run_overlays import FALSE, MATCHED, MISSED, outcome_marks
from backend.vision.instance import Instance, mask_window
from backend.vision.pipeline import Models, SearchOptions, Segmentation, StageSeconds
from backend.vision.reference import Reference
from backend.vision.sam import ImageEmbedding
from backend.vision.semantics import CropEncoder
from tests.tiny_sam import tiny_sam

Asked = list[tuple[list[str], ImageEmbedding]]


@pytest.fixture(scope="module")
def models() -> Models:
    """Real classes, random weights; a crop's vector is its mean colour."""
    return Models(tiny_sam(), CropEncoder(lambda pixels: pixels.mean((2, 3), keepdim=True)))


def image(name: str, classes: dict[int, str], *, group: str = "g") -> LabelledImage:
    """An image of 40 x 60 with squares of 10 x 10 side by side."""
    ids = np.zeros((40, 60), dtype=np.int32)
    for number in classes:
        ids[5:15, 12 * number : 12 * number + 10] = number
    pixels = np.random.default_rng(len(name)).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return LabelledImage(name, group, classes, lambda: pixels, lambda: ids)


def finding(instances: dict[str, NDArray[np.bool_]], asked: Asked, *, competes: bool = True) -> Method:
    """A method that always finds the same, and notes what it was asked."""

    def find(
        models: Models,  # noqa: ARG001
        references: Sequence[Reference],
        image: NDArray[np.uint8],  # noqa: ARG001
        embedding: ImageEmbedding,
        options: SearchOptions,  # noqa: ARG001
    ) -> Segmentation:
        asked.append(([reference.label for reference in references], embedding))
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
        "fig": Tally(true=1, matched=1, iou_sum=1.0, images=1),
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


def test_the_loop_takes_labels_one_by_one_without_the_check(models: Models) -> None:
    """On random weights it finds anything; every label is searched, and nothing is checked."""
    images = (image("a", {1: "fig", 2: "date"}), image("b", {1: "fig", 2: "date"}))
    plan = searches(episodes(Dataset("d", images)), labels="all")
    options = SearchOptions(max_instances=2, min_similarity=1.0)

    _, (pipeline, loop) = next(run_searches(models, plan, list(METHODS.values()), options=options))

    assert sum(len(outcome.found) for outcome in pipeline.outcomes) == 0
    assert [outcome.label for outcome in loop.outcomes] == ["date", "fig"]
    assert loop.seconds["search"] > 0


def test_overlays_tell_found_false_and_missed_apart(models: Models) -> None:
    images = (image("a", {1: "fig"}), image("b", {1: "fig", 2: "fig"}))
    fig = images[1].masks("fig")[1]
    plan = searches(episodes(Dataset("d", images)), labels="all")

    ((_, (run,)),) = run_searches(models, plan, [finding({"fig": fig}, [])], options=SearchOptions())
    ((_, (wrong,)),) = run_searches(models, plan, [finding({"fig": ~fig}, [])], options=SearchOptions())

    assert [(mark.colour, mark.hatched) for mark in outcome_marks(run.outcomes[0])] == [
        (MISSED, True),
        (MATCHED, False),
    ]
    assert [mark.colour for mark in outcome_marks(wrong.outcomes[0])] == [MISSED, MISSED, FALSE]
