"""Whether what the pipeline says of itself is true: confidences of instances, and scores of images.

A confidence of 0.8 should be right in 8 of 10 instances. And of two images the one with the lower score
should have more left to do: by the scores, Label Studio brings the tasks where a look is worth most first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from backend.evaluation.metrics import Tally, total
from backend.evaluation.run import ImageRun

BINS = 10


@dataclass(frozen=True)
class Trust:
    """How far confidences and scores can be trusted.

    Attributes:
        instances: found ones.
        calibration_error: how far confidence and share of right instances are apart, in [0, 1]: the expected
            calibration error over ten bins of equal width; None if nothing was found.
        images: searched ones.
        least_sure_first: of all pairs of images with a different share of work left, the share in which the
            one with more left has the lower score; equal scores count half, so 0.5 is chance. None if there
            is no such pair.
    """

    instances: int
    calibration_error: float | None
    images: int
    least_sure_first: float | None


def trust(runs: Sequence[ImageRun]) -> Trust:
    """Judge the runs of one method on one data set."""
    judged = [pair for run in runs for pair in _judged(run)]
    images = [(run.score, work_left(total(one.counts for one in run.outcomes))) for run in runs]
    return Trust(len(judged), calibration_error(judged), len(images), least_sure_first(images))


def calibration_error(judged: Sequence[tuple[float, bool]]) -> float | None:
    """Expected calibration error.

    Args:
        judged: confidence in [0, 1] of each instance, and whether it is right.
    """
    bins: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in judged:
        bins.setdefault(min(int(confidence * BINS), BINS - 1), []).append((confidence, right))
    if not bins:
        return None
    apart = (
        len(some) * abs(fmean(confidence for confidence, _ in some) - fmean(right for _, right in some))
        for some in bins.values()
    )
    return sum(apart) / len(judged)


def least_sure_first(images: Iterable[tuple[float, float]]) -> float | None:
    """How often the lower score has more left to do.

    Args:
        images: score and share of work left of each.
    """
    ordered = [
        0.5 if one[0] == other[0] else float((one[0] < other[0]) == (one[1] > other[1]))
        for one, other in combinations(images, 2)
        if one[1] != other[1]
    ]
    return fmean(ordered) if ordered else None


def work_left(counts: Tally) -> float:
    """The share of all that a person has to do with, shown or missed, that is not right as it is shown."""
    false = counts.false + counts.absent_false
    everything = counts.true + false
    return (counts.missed + false + counts.loose) / everything if everything else 0.0


def _judged(run: ImageRun) -> Iterator[tuple[float, bool]]:
    """Confidence of each instance on an image, and whether it is there."""
    for outcome in run.outcomes:
        right = {number for number, *_ in outcome.match.pairs}
        for number, one in enumerate(outcome.found):
            yield one.confidence, number in right
