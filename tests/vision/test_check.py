"""The semantic check: labels compete, and it steps back where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.vision.calibration import SemanticReference
from backend.vision.candidate import Candidate
from backend.vision.check import (
    Claim,
    Match,
    checked,
    judge,
    match,
    size_difference,
    typical_areas,
    unchecked,
)
from backend.vision.reference import LocationLevels, Reference
from backend.vision.sam import ImageEmbedding, resized_size
from backend.vision.semantics import CropEncoder

DATE, FIG = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def reference(label: str, vector: Tensor, *, weak: bool = False) -> Reference:
    """A reference that needs a cosine of 0.36, if place and size are right."""
    semantic = SemanticReference(vector, ground=0.2, itself=1.0, weak=weak)
    return Reference(label, torch.ones(2), LocationLevels(0.9, 0.1), 4, torch.ones(3) / 3, (semantic,))


def candidate(finder: int = 0, logits: Tensor | None = None, cells: int = 4) -> Candidate:
    """A candidate on the first cells of the grid."""
    mask = torch.ones(16, 16) if logits is None else logits
    coverage = (torch.arange(16) < cells).float().reshape(4, 4)
    return Candidate(mask, 0.9, 0.8, coverage, finder=finder)


def judged(
    vector: list[float], *references: Reference, finder: int = 0, least: float | None = None
) -> Claim | None:
    """Judge a candidate by its vector."""
    maps = torch.full((len(references), 4, 4), 0.9)
    one = match(candidate(finder), torch.tensor(vector), references, maps)
    areas = [reference.cells for reference in references]
    return judge(one, areas, references, maps, min_similarity=least)


def test_a_candidate_belongs_to_the_label_it_resembles_most() -> None:
    """Found by the search for dates, it is a fig."""
    claim = judged([0.6, 0.8, 0.0], reference("date", DATE), reference("fig", FIG))

    assert claim is not None
    assert claim.label == "fig"
    assert claim.similarity == pytest.approx(0.8)


def test_a_candidate_that_resembles_no_reference_enough_is_no_instance() -> None:
    """It is nearest to a date, and far from it."""
    assert judged([0.3, 0.2, 0.933], reference("date", DATE), reference("fig", FIG)) is None


def test_a_fixed_threshold_replaces_the_references_own() -> None:
    """Higher, and lower."""
    assert judged([0.6, 0.0, 0.8], reference("date", DATE), least=0.7) is None
    assert judged([0.3, 0.0, 0.954], reference("date", DATE), least=0.2) is not None


def test_the_check_steps_back_where_the_reference_is_weak() -> None:
    """A candidate found for a weak reference stays, unless a strong one claims it."""
    weak = reference("nucleus", DATE, weak=True)

    kept = judged([0.1, 0.2, 0.97], weak, reference("fig", FIG))
    claimed = judged([0.1, 0.9, 0.42], weak, reference("fig", FIG))

    assert kept is not None
    assert claimed is not None
    assert (kept.label, claimed.label) == ("nucleus", "fig")


def test_a_fixed_threshold_holds_for_a_weak_reference_too() -> None:
    """The user has decided."""
    assert judged([0.1, 0.2, 0.97], reference("nucleus", DATE, weak=True), least=0.5) is None


def test_the_best_of_several_annotated_objects_counts() -> None:
    """Two dates were annotated, and they differ."""
    first, second = reference("date", DATE), reference("date", FIG)
    both = replace(first, semantic=first.semantic + second.semantic)

    claim = judged([0.0, 0.9, 0.436], both)

    assert claim is not None
    assert claim.similarity == pytest.approx(0.9)


def test_without_the_check_a_candidate_stays_with_its_search() -> None:
    """And its similarity is SAM's own."""
    maps = torch.stack([torch.full((4, 4), 0.9), torch.full((4, 4), 0.7)])

    (claim,) = unchecked([reference("date", DATE), reference("fig", FIG)], maps, [candidate(finder=1)])

    assert claim.label == "fig"
    assert claim.similarity == pytest.approx(0.7)


def test_confidence_is_the_mean_of_its_parts() -> None:
    """Predicted IoU, stability and evidence; none of them makes up for the others."""
    assert Claim("date", candidate(), 0.9, evidence=1.0).confidence == pytest.approx(0.72 ** (1 / 3))
    assert Claim("date", candidate(), 0.9, evidence=0.0).confidence == 0


def likeness(cosine: float, similarity_map: Tensor) -> float:
    """Likeness of a candidate to the date."""
    vector = torch.tensor([cosine, 0.0, (1 - cosine**2) ** 0.5])
    return match(candidate(), vector, [reference("date", DATE)], similarity_map[None]).likeness


def test_likeness_is_one_for_the_thing_itself_and_none_for_its_ground() -> None:
    """At a place as similar as the reference's own cells."""
    here = torch.full((4, 4), 0.9)

    assert likeness(1.0, here) == pytest.approx(1)
    assert likeness(0.2, here) == pytest.approx(0, abs=1e-6)


def test_a_place_unlike_the_reference_speaks_against_a_candidate() -> None:
    """What looks more like the target than its own cells do gains nothing by it."""
    right, unlike, more = (torch.full((4, 4), value) for value in (0.9, 0.5, 1.0))

    assert likeness(0.8, unlike) < likeness(0.8, right)
    assert likeness(0.8, more) == pytest.approx(likeness(0.8, right))


def test_the_size_to_expect_is_that_of_the_sure_ones_in_this_image() -> None:
    """Two sure dates are four times as large; without any, the reference's size counts."""
    date = reference("date", DATE)
    sure = [Match(candidate(cells=cells), 0, 0.9, likeness=0.9) for cells in (16, 16)]
    doubtful = [Match(candidate(cells=1), 0, 0.5, likeness=0.3)]

    assert typical_areas(sure + doubtful, [date]) == [16]
    assert typical_areas(doubtful, [date]) == [4]


def test_the_difference_of_sizes_has_a_limit() -> None:
    """Twice and half as large differ alike; a hundred times or nothing says no more than four times."""
    assert size_difference(8, 4) == size_difference(2, 4) > 0
    assert size_difference(400, 4) == size_difference(16, 4) == size_difference(0, 4)


def test_candidates_are_cut_from_the_image_and_compared() -> None:
    """A red and a blue half; to an encoder of colour one of them is a date."""
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, :32, 0] = image[:, 32:, 2] = 255
    left, right = torch.full((16, 16), -1.0), torch.full((16, 16), -1.0)
    left[:, :8] = right[:, 8:] = 1
    embedding = ImageEmbedding(torch.zeros(2, 4, 4), (64, 64), resized_size(64, 64, 64), 64)
    encoder = CropEncoder(lambda pixels: pixels + 1, input_size=8)
    red = reference("date", torch.nn.functional.normalize(torch.tensor([1.0, 0.5, 0.5]), dim=0))

    claims = checked(
        encoder,
        [red],
        torch.full((1, 4, 4), 0.9),
        [candidate(logits=right), candidate(logits=left)],
        image,
        embedding,
        min_similarity=0.9,
    )

    assert [bool(claim.candidate.mask[0, 0]) for claim in claims] == [True]


def test_no_candidates_make_no_claims() -> None:
    """Finding nothing is normal, and costs no pass of the encoder."""
    embedding = ImageEmbedding(torch.zeros(2, 4, 4), (64, 64), resized_size(64, 64, 64), 64)
    encoder = CropEncoder(lambda pixels: pixels, input_size=8)
    image = np.zeros((64, 64, 3), dtype=np.uint8)

    maps = torch.zeros(1, 4, 4)

    assert checked(encoder, [reference("date", DATE)], maps, [], image, embedding, min_similarity=None) == []
