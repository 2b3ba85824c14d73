"""The methods side by side, on a tiny random SAM."""

import numpy as np
import pytest

from backend.evaluation.exemplars import exemplar
from backend.evaluation.methods import METHODS, one_less, without
from backend.evaluation.rle import encode
from backend.evaluation.scene import Scene
from backend.vision.parts import PARTS, Part
from backend.vision.pipeline import Models, SearchOptions


@pytest.fixture(scope="module")
def scene(models: Models) -> Scene:
    """Noise of 40 x 60 with two true figs and no date; figs are shown twice, dates once."""
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    embedding = models.sam.embed(image)
    left, right = np.zeros((2, 40, 60), dtype=np.bool_)
    left[5:15, 5:25] = True
    right[5:15, 30:50] = True
    shown = [(left, "fig"), (right, "date"), (right, "fig")]
    exemplars = tuple(exemplar(models, image, embedding, mask, label, max_tiles=1) for mask, label in shown)
    return Scene(image, embedding, exemplars, {"fig": (encode(left), encode(right)), "date": ()})


@pytest.mark.parametrize("name", ["persam", "persam-f"])
def test_a_single_object_algorithm_finds_one_of_each_label(models: Models, scene: Scene, name: str) -> None:
    """However many references a label has, and whether it is there or not."""
    found = METHODS[name].find(models, scene, SearchOptions(guidance="exact"))

    assert [instance.label for instance in found.instances] == ["fig", "date"]
    assert found.seconds.search > 0


def test_the_oracle_finds_as_many_as_there_are(models: Models, scene: Scene) -> None:
    found = METHODS["oracle-box"].find(models, scene, SearchOptions())

    assert [instance.label for instance in found.instances] == ["fig", "fig"]


def test_the_loop_takes_labels_one_by_one_without_the_check(models: Models, scene: Scene) -> None:
    """On random weights it finds anything; nothing is checked, and labels may share an object."""
    options = SearchOptions(max_instances=2, min_similarity=1.0)

    checked = METHODS["pipeline"].find(models, scene, options)
    unchecked = METHODS["loop"].find(models, scene, options)

    assert [instance.label for instance in checked.instances] == []
    assert {instance.label for instance in unchecked.instances} == {"fig", "date"}


def test_only_persam_insists_on_its_guidance_and_only_the_pipeline_lets_labels_compete() -> None:
    assert {name: method.guidance for name, method in METHODS.items() if method.guidance} == {
        "persam": "exact"
    }
    assert [name for name, method in METHODS.items() if method.competes] == ["pipeline"]


def test_the_guidance_asked_for_goes_before_the_published_one() -> None:
    assert METHODS["persam"].guided("hf").guidance == "hf"
    assert METHODS["persam"].guided(None).guidance == "exact"


@pytest.mark.parametrize("part", PARTS)
def test_one_part_less_is_the_pipeline_without_it(models: Models, scene: Scene, part: Part) -> None:
    """Named after it, and asked like the pipeline."""
    method = without(part)

    found = method.find(models, scene, SearchOptions(max_instances=2, min_similarity=1.0))

    assert (method.name, method.competes, method.guidance) == (f"without {part}", True, None)
    assert found.instances == ()


def test_a_part_is_left_out_besides_those_that_are_left_out_anyway() -> None:
    """What the pipeline is then asked for."""
    options = SearchOptions(without=("tiles",))

    assert one_less(options, "colour").without == ("tiles", "colour")
