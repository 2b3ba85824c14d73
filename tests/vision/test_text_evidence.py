"""Text evidence: names compete."""

import pytest
import torch
from torch import Tensor

from backend.vision.semantics import CropEncoder, SamSemantics, Words
from backend.vision.text_evidence import text_evidence

VECTORS = {
    "a photo of a fig": [1.0, 0.0, 0.0],
    "a photo of a date": [0.0, 1.0, 0.0],
    "a photo": [0.0, 0.0, 1.0],
}


def encode(text: str) -> Tensor:
    """Three texts at right angles."""
    return torch.tensor(VECTORS[text])


READER = CropEncoder(lambda pixels: pixels, words=Words(encode, scale=2.0))


def test_the_name_that_describes_a_thing_gets_most() -> None:
    """Softmax of (2, 0, 0): e² of e² + 2."""
    evidence = text_evidence(READER, torch.eye(3)[:2], ["fig", "date"])

    e2 = torch.tensor(2.0).exp().item()
    assert evidence is not None
    assert evidence[0].tolist() == pytest.approx([e2 / (e2 + 2), 1 / (e2 + 2)])
    assert evidence[1].tolist() == pytest.approx([1 / (e2 + 2), e2 / (e2 + 2)])


def test_what_no_name_describes_goes_to_none() -> None:
    """It is only a photo; even a label without a rival gets less than half."""
    evidence = text_evidence(READER, torch.eye(3)[2:], ["fig"])

    assert evidence is not None
    assert evidence.shape == (1, 1)
    assert float(evidence[0, 0]) < 0.5


def test_no_objects_have_no_evidence() -> None:
    evidence = text_evidence(READER, torch.zeros(0, 3), ["fig", "date"])

    assert evidence is not None
    assert evidence.shape == (0, 2)


def test_an_encoder_without_words_has_no_say() -> None:
    assert text_evidence(SamSemantics(), torch.eye(3), ["fig"]) is None
