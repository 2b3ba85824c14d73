"""Text evidence: what the labels' names say about a candidate, where the encoder can read."""

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.vision.semantics import SemanticEncoder


def text_evidence(encoder: SemanticEncoder, vectors: Tensor, labels: Sequence[str]) -> Tensor | None:
    """Let the names of the labels compete for each object, with each other and with no name at all.

    As such encoders are used to classify: a softmax over their scaled cosines with "a photo of a ...".
    "A photo" takes what none of the names describes.

    Args:
        encoder: the one that *vectors* come from.
        vectors: unit vectors of n objects, (n, D) float.
        labels: different names.

    Returns:
        Share of each label, (n, labels) float in [0, 1], of which a row sums to less than one; None if the
        encoder cannot read.
    """
    texts = [text for label in (*labels, "") if (text := encoder.text_vector(label)) is not None]
    if not texts:
        return None
    cosines = vectors @ torch.stack(texts).T
    shares: Tensor = (cosines * encoder.text_scale).softmax(dim=1)
    return shares[:, :-1]
