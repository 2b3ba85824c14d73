"""When and from what to learn, as the settings say."""

from dataclasses import dataclass
from typing import Literal

from backend.settings import Settings


@dataclass(frozen=True)
class LearningOptions:
    """The settings of learning from review.

    Attributes:
        mode: ``auto``: as more and more is reviewed, and on demand; ``manual``: on demand; ``never``.
        max_evidence: bound on the reviewed annotations that one generation learns from, and on their images
            where one Image shows many.
        max_references: bound on the references of one label, its one shot among them.
    """

    mode: Literal["auto", "manual", "never"] = "auto"
    max_evidence: int = 32
    max_references: int = 1


def learning_options(settings: Settings) -> LearningOptions:
    """Take what concerns learning out of the settings."""
    return LearningOptions(
        mode=settings.oneshot_learning,
        max_evidence=settings.oneshot_max_evidence,
        max_references=settings.oneshot_max_references,
    )
