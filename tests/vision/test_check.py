"""The semantic check: labels compete, and it steps back where it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.vision.calibration import SemanticReference
from backend.vision.candidate import Candidate
from backend.vision.check import Claim, checked, judge, unchecked
from backend.vision.reference import LocationLevels, Reference
from backend.vision.sam import ImageEmbedding, resized_size
from backend.vision.semantics import SemanticEncoder

DATE, FIG = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


def reference(label: str, vector: Tensor, *, weak: bool = False) -> Reference:
    """A reference that accepts a cosine of one half."""
    semantic = SemanticReference(vector, least_similarity=0.5, weak=weak)
    return Reference(label, torch.ones(2), LocationLevels(0.9, 0.1), 4, torch.ones(3) / 3, (semantic,))


def candidate(finder: int = 0, logits: Tensor | None = None) -> Candidate:
    """A candidate with a location similarity of 0.7."""
    mask = torch.ones(16, 16) if logits is None else logits
    return Candidate(mask, 0.9, 0.8, torch.zeros(4, 4, dtype=torch.bool), location=0.7, finder=finder)


def judged(
    vector: list[float], *references: Reference, finder: int = 0, least: float | None = None
) -> Claim | None:
    """Judge a candidate by its vector."""
    return judge(candidate(finder), torch.tensor(vector), references, min_similarity=least)


def test_a_candidate_belongs_to_the_label_it_resembles_most() -> None:
    """Found by the search for dates, it is a fig."""
    claim = judged([0.6, 0.8, 0.0], reference("date", DATE), reference("fig", FIG))

    assert claim is not None
    assert claim.label == "fig"
    assert claim.similarity == pytest.approx(0.8)


def test_a_candidate_that_resembles_no_reference_enough_is_no_instance() -> None:
    """It is nearest to a date, and far from it."""
    assert judged([0.4, 0.3, 0.866], reference("date", DATE), reference("fig", FIG)) is None


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
    (claim,) = unchecked([reference("date", DATE), reference("fig", FIG)], [candidate(finder=1)])

    assert (claim.label, claim.similarity) == ("fig", 0.7)


def test_confidence_grows_with_each_of_its_parts() -> None:
    """Predicted IoU, stability and similarity; a negative similarity is none."""
    better = Claim("date", candidate(), 0.9)
    worse = Claim("date", candidate(), 0.5)

    assert 0 < worse.confidence < better.confidence < 1
    assert Claim("date", candidate(), -0.2).confidence == 0


def test_candidates_are_cut_from_the_image_and_compared() -> None:
    """A red and a blue half; to an encoder of colour one of them is a date."""
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, :32, 0] = image[:, 32:, 2] = 255
    left, right = torch.full((16, 16), -1.0), torch.full((16, 16), -1.0)
    left[:, :8] = right[:, 8:] = 1
    embedding = ImageEmbedding(torch.zeros(2, 4, 4), (64, 64), resized_size(64, 64, 64), 64)
    encoder = SemanticEncoder(lambda pixels: pixels + 1, input_size=8)
    red = reference("date", torch.nn.functional.normalize(torch.tensor([1.0, 0.5, 0.5]), dim=0))

    claims = checked(
        encoder,
        [red],
        [candidate(logits=right), candidate(logits=left)],
        image,
        embedding,
        min_similarity=0.9,
    )

    assert [bool(claim.candidate.mask[0, 0]) for claim in claims] == [True]


def test_no_candidates_make_no_claims() -> None:
    """Finding nothing is normal, and costs no pass of the encoder."""
    embedding = ImageEmbedding(torch.zeros(2, 4, 4), (64, 64), resized_size(64, 64, 64), 64)
    encoder = SemanticEncoder(lambda pixels: pixels, input_size=8)
    image = np.zeros((64, 64, 3), dtype=np.uint8)

    assert checked(encoder, [reference("date", DATE)], [], image, embedding, min_similarity=None) == []
