"""Fitting the evidence: what is learned from made-up candidates, and what is taken from images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.episodes import Episode, ReferenceMask, episodes, searches
from backend.evaluation.fit import CUES, Studied, fitted, rounded, studied, study
from backend.vision.check import Sight
from backend.vision.evidence import Cues, Weights
from backend.vision.pipeline import SearchOptions, survey
from backend.vision.reference import build_reference
from tests.colour_sam import BLUE, RED, box_mask, colour_models, drawn

RIGHT, WRONG = 1.0, 0.0  # IoU
BOXES = {1: (2, 4, 24, 24), 2: (14, 36, 24, 24)}


def image_of(table: NDArray[np.float64], ious: Sequence[float]) -> Studied:
    """Candidates of one image, (n, 10) cues; none overlaps another, and all are as large as the reference."""
    count = len(table)
    sight = Sight(
        candidates=(),
        owner=torch.zeros(count, dtype=torch.int),
        similarity=torch.zeros(count),
        log_area=torch.zeros(count),
        cues=Cues(*torch.from_numpy(table).float().T),
        shared=torch.eye(count),
    )
    return Studied(("fig",), (sight,), (np.array(ious),))


def located(*places: float, ious: Sequence[float]) -> Studied:
    """Candidates that differ in their place only."""
    table = np.full((len(places), len(CUES)), 0.5)
    table[:, CUES.index("location")] = places
    return image_of(table, ious)


def evidence(weights: Weights, *places: float) -> list[float]:
    """Evidence of such candidates."""
    values: list[float] = weights.evidence(located(*places, ious=places).sights[0].cues).tolist()
    return values


def test_known_weights_are_found_but_for_their_length() -> None:
    """400 random candidates, which these weights call right or wrong; nothing is known of company yet."""
    known = np.array([2.0, 0.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0])
    table = np.random.default_rng(0).normal(size=(400, len(CUES)))
    ious = np.where(table @ known > 0, RIGHT, WRONG)

    first = fitted({"d": [image_of(table, ious.tolist())]}).first

    found = np.array([getattr(first, name) for name in CUES])
    assert found @ known / np.linalg.norm(found) / np.linalg.norm(known) > 0.95
    assert first.company == 0


def test_what_tells_right_from_wrong_makes_sure() -> None:
    """The place does; nothing else differs, so that nothing else counts."""
    first = fitted({"d": [located(1.0, 0.9, 0.1, 0.0, ious=[RIGHT, RIGHT, WRONG, WRONG])]}).first

    assert first.location > 0
    assert [getattr(first, name) for name in CUES if name != "location"] == pytest.approx([0] * 9, abs=1e-3)
    assert evidence(first, 0.9)[0] > 0.5 > evidence(first, 0.1)[0]


def test_a_data_set_counts_the_same_whatever_its_size() -> None:
    """What one of them teaches the other denies; with ten times as many images, it is denied no more."""
    one, other = located(1.0, 0.0, ious=[RIGHT, WRONG]), located(1.0, 0.0, ious=[WRONG, RIGHT])

    first = fitted({"few": [one], "many": [other] * 10}).first

    assert evidence(first, 1.0, 0.0) == pytest.approx([0.5, 0.5], abs=1e-3)


def test_many_wrong_candidates_do_not_make_all_of_them_doubtful() -> None:
    """One right of ten: halfway between right and wrong the evidence is a half."""
    first = fitted({"d": [located(1.0, *[0.0] * 9, ious=[RIGHT] + [WRONG] * 9)]}).first

    assert evidence(first, 0.5)[0] == pytest.approx(0.5, abs=1e-3)


def test_a_better_mask_is_to_be_surer_than_one_that_just_passes() -> None:
    """Both are right; one has an IoU of 0.5, the other of 0.9."""
    first = fitted({"d": [located(0.0, 0.5, 1.0, ious=[WRONG, 0.5, 0.9])] * 4}).first

    worst, middle, best = evidence(first, 0.0, 0.5, 1.0)
    assert worst < middle < best


def test_candidates_of_a_label_that_is_not_judged_teach_nothing() -> None:
    """Whether they are right nobody knows."""
    known = located(1.0, 0.9, 0.1, 0.0, ious=[RIGHT, RIGHT, WRONG, WRONG])
    more = located(1.0, 0.9, 0.1, 0.0, -1.0, 1.5, ious=[RIGHT, RIGHT, WRONG, WRONG, np.nan, np.nan])

    assert fitted({"d": [more]}).first == fitted({"d": [known]}).first


def test_company_counts_where_images_differ_in_how_much_their_things_stand_out() -> None:
    """What is wrong in one image is as high on the map as what is right in the next."""
    bright = located(1.4, 1.4, 1.4, 1.0, 1.0, ious=[RIGHT] * 3 + [WRONG] * 2)
    dull = located(1.0, 1.0, 1.0, 0.6, 0.6, ious=[RIGHT] * 3 + [WRONG] * 2)
    labels = located(1.2, 1.2, 0.3, 0.3, ious=[RIGHT] * 2 + [WRONG] * 2)

    weights = fitted({"d": [bright, dull, labels]})

    assert weights.first.company == 0
    assert weights.second.company > 0


def test_weights_are_written_down_with_two_digits() -> None:
    """Both sets."""
    weights = fitted({"d": [located(1.0, 0.9, 0.1, 0.0, ious=[RIGHT, RIGHT, WRONG, WRONG])]})
    first = replace(weights.first, location=1.236, bias=-0.004)

    short = rounded(replace(weights, first=first))

    assert (short.first.location, short.first.bias) == (1.24, 0)
    assert short.second.location == round(weights.second.location, 2)


def boxes_image(name: str, classes: dict[int, str]) -> LabelledImage:
    """A red and a blue box on plain ground; both are annotated as *classes* says."""
    ids = np.zeros((40, 64), dtype=np.int32)
    for number in classes:
        ids[box_mask(*BOXES[number])] = number
    pixels = drawn((*BOXES[1], RED), (*BOXES[2], BLUE))
    return LabelledImage(name, "g", classes, lambda: pixels, lambda: ids)


def test_candidates_are_compared_with_the_true_instances_of_their_label() -> None:
    """The red box is found to the pixel, and its upper half as well; nobody judges blue ones here."""
    models = colour_models()
    image = boxes_image("a", {1: "fig", 2: "date"})
    references = [
        build_reference(models.sam, models.semantic, image.pixels(), [box_mask(*BOXES[number])], label=label)
        for number, label in image.classes.items()
    ]
    judged = [Episode("g", "fig", (ReferenceMask(image, 1),), (image,), ())]

    found = studied(survey(models, references, image.pixels()), image, judged)

    (sight,), (ious,) = found.sights, found.ious
    figs = [found.labels[owner] == "fig" for owner in sight.owner.tolist()]
    assert found.labels == ("fig", "date")
    assert sight.candidates == ()
    assert np.isnan(ious[~np.array(figs)]).all()
    assert max(ious[figs]) == 1
    assert 0 < len(sight.cues) == len(ious)


def test_every_search_of_a_data_set_is_studied() -> None:
    """The first image shows the fig; b holds one, and all that is found in c is wrong, for it holds none."""
    models = colour_models()
    images = (
        boxes_image("a", {1: "fig"}),
        boxes_image("b", {1: "fig"}),
        boxes_image("c", {2: "date"}),
        boxes_image("d", {2: "date"}),
    )
    plan = searches(episodes(Dataset("d", images)), labels="solo")

    found = {
        (search.image.name, one.labels[0]): max((float(iou) for ious in one.ious for iou in ious), default=0)
        for search, one in study(models, plan, options=SearchOptions())
    }

    assert found["b", "fig"] == 1
    assert found["c", "fig"] < 0.5
    assert len(found) == len(plan)
