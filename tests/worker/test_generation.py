"""A generation's name changes exactly when its predictions could come out differently."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

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
    controls: Sequence[Control] = (CONTROL, POLYGONS),
) -> str:
    picked = {reference.label: reference}
    return generation_version(
        *(picked, controls),
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


def version_with(*controls: Control, beyond: Literal["polygons", "merged"] = "polygons") -> str:
    """The version where the label config has these controls, and the reference was drawn with the first."""
    reference = replace(REFERENCE, control=controls[0])
    return version(reference, output=OutputOptions(beyond=beyond), controls=controls)


def test_polygons_that_painted_regions_may_become_change_the_version() -> None:
    """They are what happens beyond the bound, unless that merges or the label has none."""
    assert version_with(CONTROL, POLYGONS) != version_with(CONTROL)
    assert version_with(CONTROL, POLYGONS) != version_with(CONTROL, replace(POLYGONS, from_name="other"))
    assert version_with(CONTROL, POLYGONS, beyond="merged") == version_with(CONTROL, beyond="merged")
    assert version_with(CONTROL, replace(POLYGONS, labels=("Nut",))) == version_with(CONTROL)
    assert version_with(POLYGONS, replace(POLYGONS, from_name="other")) == version_with(POLYGONS)


def test_the_key_that_a_label_comes_from_changes_the_version() -> None:
    """That of more labels than the reference's does not."""
    things = replace(CONTROL, labels=(), labels_key="things")
    offered = replace(CONTROL, labels_key="things")

    assert len({version_with(things), version_with(replace(things, labels_key="other")), version()}) == 3
    assert version_with(offered) == version_with(CONTROL)


def test_a_control_that_stands_in_where_the_task_does_not_offer_the_label_changes_the_version() -> None:
    """Behind a control that always offers it, none does."""
    things = replace(CONTROL, labels=(), labels_key="things")
    box, other = (Control(name, "image", "image", ("Coin",), "rectangle") for name in ("box", "other"))

    assert len({version_with(things), version_with(things, box), version_with(things, other)}) == 3
    assert version_with(things, box, other) == version_with(things, box)
    assert version_with(CONTROL, box) == version_with(CONTROL)


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
