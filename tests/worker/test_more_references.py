"""Which reviews become references beside the one shot."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from backend.labelstudio.label_config import Control
from backend.labelstudio.references import Annotation, PickedReference
from backend.vision.pipeline import Models
from backend.vision.reference import Reference, build_reference
from backend.worker.choice import These
from backend.worker.context import WorkerContext
from backend.worker.evidence import Evidence
from backend.worker.learning_options import LearningOptions
from backend.worker.more_references import more_references, named, of_review
from backend.worker.references import Sources, unbuilt_version
from tests.worker.conftest import SIZE_HW, disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, region

CONTROL = Control("label", "image", "image", ("Coin",))
ONE_SHOT = PickedReference("Coin", 1, 1, "/1.png", SIZE_HW, ("painted1",), (disc_mask(),), CONTROL)


def review(number: int, *, stars: bool = False) -> Annotation:
    """A review of the task of the same number."""
    data = {"image": f"/{number}.png"}
    return Annotation(number, number, data, (region(disc_mask()),), ground_truth=stars, parent_prediction=9)


@pytest.fixture
def coloured(models: Models) -> Any:
    """Builds references of discs: of even tasks as the one shot's, of odd ones in other colours."""

    def build(picked: PickedReference) -> Reference | None:
        image = disc()
        if picked.annotation_id == 99:
            return None
        if picked.annotation_id % 2 and picked.annotation_id > 1:
            image[disc_mask()] = (20 * picked.annotation_id, 10, 255 - 20 * picked.annotation_id)
        return build_reference(models.sam, models.semantic, image, picked.masks, label=picked.label)

    return build


def ids(found: list[PickedReference]) -> list[int]:
    return [each.annotation_id for each in found]


def test_what_looks_different_is_kept(coloured: Any) -> None:
    evidence = Evidence(4, tuple(review(number) for number in (2, 4, 5, 6)))

    assert ids(more_references([ONE_SHOT], evidence, [CONTROL], coloured, 2)) == [5]


def test_with_one_reference_a_label_has_its_one_shot(coloured: Any) -> None:
    assert more_references([ONE_SHOT], Evidence(1, (review(5),)), [CONTROL], coloured, 1) == []


def test_a_ground_truth_star_is_always_in(coloured: Any) -> None:
    """Though it looks as the one shot does."""
    evidence = Evidence(3, (review(3), review(4, stars=True), review(5)))

    assert ids(more_references([ONE_SHOT], evidence, [CONTROL], coloured, 2)) == [4]
    assert 4 in ids(more_references([ONE_SHOT], evidence, [CONTROL], coloured, 3))


def test_what_has_a_star_already_takes_its_place(coloured: Any) -> None:
    """It is picked with the one shot, and not chosen once more."""
    evidence = Evidence(3, (review(3), review(5)))
    (starred,) = of_review(review(3), ONE_SHOT, [CONTROL])

    def chosen(limit: int) -> list[int]:
        return ids(more_references([ONE_SHOT], evidence, [CONTROL], coloured, limit, starred=[starred]))

    assert (chosen(2), chosen(3)) == ([], [5])


def test_a_review_that_cannot_serve_is_passed_over(coloured: Any) -> None:
    """Its image is gone, its label is another one, it is on a turned image, its masks have several sizes."""
    turned, sizes = region(disc_mask()) | {"image_rotation": 90}, region(np.ones((9, 9), bool))
    bad = [
        review(99),
        replace(review(7), result=()),
        replace(review(8), result=(turned,)),
        replace(review(9), result=(region(disc_mask()), sizes)),
        replace(review(11), task_data={}),
    ]
    evidence = Evidence(6, (*bad, review(5)))

    assert ids(more_references([ONE_SHOT], evidence, [CONTROL], coloured, 6)) == [5]


def test_of_a_list_of_images_the_first_one_with_the_label_is_offered() -> None:
    """Its masks only, with the address of that image."""
    control = replace(CONTROL, image_list=True)
    elsewhere = region(disc_mask()) | {"value": region(disc_mask())["value"] | {"brushlabels": ["Nut"]}}
    result = (elsewhere, *(region(disc_mask()) | {"item_index": item} for item in (2, 1, 2)))
    listed = replace(review(5), result=result, task_data={"image": ["/a.png", "/b.png", "/c.png"]})

    (found,) = of_review(listed, replace(ONE_SHOT, control=control), [control])

    assert (found.item, found.image_uri, len(found.masks)) == (2, "/c.png", 2)
    assert list(of_review(replace(listed, result=()), replace(ONE_SHOT, control=control), [control])) == []


def test_chosen_references_are_found_again_by_label_and_annotation() -> None:
    """Those whose label or annotation is gone are not."""
    evidence = Evidence(2, (review(4), review(5)))
    names = cast("list[tuple[str, int]]", [("Coin", 5), ("Coin", 77), ("Nut", 4)])

    (found,) = named(names, [ONE_SHOT], evidence, [CONTROL])

    assert (found.annotation_id, found.task_id, found.image_uri) == (5, 5, "/5.png")
    assert np.array_equal(found.masks[0], disc_mask())


@pytest.mark.parametrize(("limit", "differs"), [(1, False), (2, True)])
def test_a_star_makes_another_generation_where_it_decides_about_references(
    full_context: WorkerContext, limit: int, *, differs: bool
) -> None:
    context = replace(full_context, learning=LearningOptions(max_references=limit))
    project = context.label_studio.project(PROJECT)
    painted = These((Annotation(1, 1, {"image": "/1.png"}, (region(disc_mask()),)),))

    versions = {
        unbuilt_version(context, project, Sources(painted, Evidence(1, (review(4, stars=stars),))))
        for stars in (False, True)
    }

    assert (len(versions) > 1) is differs
