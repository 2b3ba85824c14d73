"""From matches to figures: counts that add up, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from backend.evaluation.matching import Match

GOOD_IOU = 0.8


@dataclass(frozen=True)
class Tally:
    """Counts over any number of images; add two to have both.

    Attributes:
        true: true instances on test images.
        matched: of these, found with an IoU of at least 0.5.
        false: found on test images, matching nothing.
        loose: matched, below an IoU of 0.8: an annotator corrects the outline.
        iou_sum: sum of the IoU of all matches.
        best_iou_sum: sum over the test images of the IoU of the most confident instance with a true one.
        images: test images.
        absent_images: searched images that hold none of the class, once per class.
        absent_false: instances found there.
    """

    true: int = 0
    matched: int = 0
    false: int = 0
    loose: int = 0
    iou_sum: float = 0.0
    best_iou_sum: float = 0.0
    images: int = 0
    absent_images: int = 0
    absent_false: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def missed(self) -> int:
        """True instances that nothing matches."""
        return self.true - self.matched


@dataclass(frozen=True)
class Scores:
    """Scores, all in [0, 1] but the effort, which grows with what is found falsely.

    Attributes:
        precision: matched / found.
        recall: matched / true.
        f1: harmonic mean of both.
        pq: panoptic quality: sum of IoU / (matched + half of false and missed).
        mean_iou: mean IoU of the matches.
        best_iou: mean over the test images of the IoU that the single most confident instance has with the
            true one it fits best, 0 where nothing is found: the mean IoU of methods that find one object.
        effort: (missed + false + matched below IoU 0.8) / true: the share of the work that is left.
    """

    precision: float
    recall: float
    f1: float
    pq: float
    mean_iou: float
    best_iou: float
    effort: float


def tally(match: Match, true: int, *, best_iou: float = 0.0) -> Tally:
    """Counts of one image and class.

    Args:
        match: of what was found with what is there.
        true: true instances; without any, what is found is absent_false.
        best_iou: of the most confident instance.
    """
    if true == 0:
        return Tally(absent_images=1, absent_false=len(match.false))
    ious = [iou for _, _, iou in match.pairs]
    return Tally(
        true=true,
        matched=len(ious),
        false=len(match.false),
        loose=sum(iou < GOOD_IOU for iou in ious),
        iou_sum=sum(ious),
        best_iou_sum=best_iou,
        images=1,
    )


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of all."""
    return sum(tallies, start=Tally())


def scores(counts: Tally) -> Scores:
    """The scores of any number of images; a ratio with nothing below it is 0."""
    found = counts.matched + counts.false
    both = counts.matched + (counts.false + counts.missed) / 2
    return Scores(
        precision=_ratio(counts.matched, found),
        recall=_ratio(counts.matched, counts.true),
        f1=_ratio(counts.matched, both),
        pq=_ratio(counts.iou_sum, both),
        mean_iou=_ratio(counts.iou_sum, counts.matched),
        best_iou=_ratio(counts.best_iou_sum, counts.images),
        effort=_ratio(counts.missed + counts.false + counts.loose, counts.true),
    )


def _ratio(above: float, below: float) -> float:
    """The ratio, 0 if there is nothing below."""
    return above / below if below else 0.0
