"""A generation's name changes exactly when its predictions could come out differently."""

from dataclasses import replace

import numpy as np
import pytest

from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import OutputOptions
from backend.labelstudio.references import PickedReference
from backend.vision.pipeline import SearchOptions
from backend.worker.generation import Generation, GenerationCache, generation_version

CONTROL = Control("label", "image", "image", ("Coin", "Nut"))
POLYGONS = Control("outline", "image", "image", ("Coin", "Nut"), "polygon")
SEARCH = SearchOptions(guidance="none", min_similarity=None, max_instances=300)
MASK = np.array([[True, False, False, False, False], [False] * 5, [False] * 5])  # 3 x 5
REFERENCE = PickedReference(
    label="Coin",
    task_id=3,
    annotation_id=5,
    image_uri="/data/upload/1/coins.png",
    size_hw=(3, 5),
    region_ids=("painted1",),
    masks=(MASK,),
    control=CONTROL,
)


def version(
    reference: PickedReference = REFERENCE,
    search: SearchOptions = SEARCH,
    checkpoint: str = "mobilesam",
    semantics: str = "efficientnet-lite0",
    output: OutputOptions = OutputOptions(),  # noqa: B008 - frozen
) -> str:
    picked = {reference.label: reference}
    return generation_version(
        *(picked, (CONTROL, POLYGONS)),
        checkpoint=checkpoint,
        semantics=semantics,
        search=search,
        output=output,
    )


def test_the_version_names_the_checkpoint_and_fits_label_studio() -> None:
    assert version().startswith("oneshot-mobilesam-")
    assert len(version()) < 64


def test_the_same_reference_and_settings_give_the_same_version() -> None:
    again = replace(REFERENCE, masks=(MASK.copy(),), region_ids=("renamed",))

    assert version(again) == version()


@pytest.mark.parametrize(
    "other",
    [
        version(replace(REFERENCE, masks=(MASK[:, ::-1],))),
        version(replace(REFERENCE, masks=(MASK, MASK[::-1]))),
        version(replace(REFERENCE, annotation_id=6)),
        version(replace(REFERENCE, surrounding=(True,))),
        version(replace(REFERENCE, image_uri="/data/upload/1/other.png")),
        version(replace(REFERENCE, label="Nut")),
        version(replace(REFERENCE, control=replace(CONTROL, from_name="brush"))),
        version(output=OutputOptions(control="outline")),
        version(output=OutputOptions(max_regions=1)),
        version(search=replace(SEARCH, guidance="hf")),
        version(search=replace(SEARCH, max_instances=1)),
        version(checkpoint="sam-vit-base"),
        version(semantics="sam"),
    ],
)
def test_whatever_changes_masks_changes_the_version(other: str) -> None:
    assert other != version()


def test_a_label_that_nobody_has_painted_changes_nothing() -> None:
    assert version(replace(REFERENCE, control=replace(CONTROL, labels=("Coin", "Nut", "Bolt")))) == version()


def test_the_cache_drops_the_generation_that_was_not_used_for_longest() -> None:
    cache = GenerationCache(size=2)
    generations = [Generation(project, "v", "", (CONTROL,), (), ()) for project in (1, 2, 3)]

    cache.put(generations[0])
    cache.put(generations[1])
    cache.get(1, "v")
    cache.put(generations[2])

    assert cache.get(1, "v") is generations[0]
    assert cache.get(2, "v") is None
    assert cache.get(3, "v") is generations[2]
