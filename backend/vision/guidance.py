"""Target-guided attention and target-semantic prompting: the mask decoder with the target injected."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

GuidanceMode = Literal["none", "hf", "exact"]

NO_CONTRAST = 1e-4  # a smaller deviation of cosines is rounding


@dataclass(frozen=True, eq=False)
class Guidance:
    """What the mask decoder is told of the target.

    Attributes:
        mode: ``hf`` as transformers has it, ``exact`` as PerSAM published it.
        attention_similarity: how much each cell is to be attended, (h, w) float in [0, 1].
        target_embedding: added to every token, (C,) float, not normalised.
    """

    mode: Literal["hf", "exact"]
    attention_similarity: Tensor
    target_embedding: Tensor


def target_guidance(
    mode: GuidanceMode, similarity: Tensor, valid: Tensor, target_embedding: Tensor
) -> Guidance | None:
    """Guide the mask decoder to the cells that resemble the target.

    Args:
        mode: ``none`` gives None.
        similarity: similarity map of the test image, (h, w) float.
        valid: cells that are no padding, (h, w) bool.
        target_embedding: mean embedding under the reference mask, (C,) float.
    """
    if mode == "none":
        return None
    inside = similarity[valid]
    standard = (similarity - inside.mean()) / inside.std(correction=0).clamp(min=NO_CONTRAST)
    standard = standard.where(valid, standard[valid].min())
    return Guidance(mode, standard.sigmoid(), target_embedding)


def guided_softmax(logits: Tensor, guidance: Guidance | None) -> Tensor:
    """Attention of tokens over image cells, drawn to the target.

    PerSAM, "Target-guided Attention". ``exact`` is the published one: the similarity is added to the
    attention, which is normalised once more. transformers, ``hf``, adds it to the logits instead.

    Args:
        logits: (..., h * w) float.
        guidance: the target.

    Returns:
        Shares that sum to 1 over the cells, (..., h * w), in the dtype of *logits*.
    """
    scores = logits.float()
    if guidance is not None:
        scores = scores.softmax(-1) if guidance.mode == "exact" else scores
        scores = scores + guidance.attention_similarity.flatten()
    return scores.softmax(-1).to(logits.dtype)
