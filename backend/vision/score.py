"""How sure a prediction is, so that the tasks where a person's look is worth most come first."""

import math
from collections.abc import Sequence


def prediction_score(confidences: Sequence[float], missed: float) -> float:
    """Give the share of what a person will have on the image that is expected to be there already.

    That is the number of right instances that are expected, divided by all that a person has to do with:
    those that are shown, and those expected to be missed. Where nothing is shown it is the chance that
    nothing is missed.

    Args:
        confidences: of the instances that are shown, each in [0, 1].
        missed: how many things are expected to be missed, from 0 up.

    Returns:
        In [0, 1]; the lower, the more is left to do.
    """
    if not confidences:
        return math.exp(-missed)
    return min(1.0, math.fsum(confidences) / (len(confidences) + missed))
