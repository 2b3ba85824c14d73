"""Telling a Label Studio that is down from one that merely refuses one request."""

import logging

from backend.jobs.breaker import Breaker
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import LabelStudioError, LabelStudioUnavailableError, TransientError

logger = logging.getLogger(__name__)


def label_studio_is_down(label_studio: LabelStudio, breaker: Breaker, error: TransientError) -> bool:
    """Ask Label Studio whether it is down, after *error*; if so, nobody takes a job until it is back.

    Raises:
        QueueUnavailableError: Redis does not answer.
    """
    if breaker.outage() is not None:
        return True
    asked_s = error.retry_after_s if isinstance(error, LabelStudioUnavailableError) else None
    return not _answers(label_studio, breaker, retry_after_s=asked_s)


def probe(label_studio: LabelStudio, breaker: Breaker) -> None:
    """Ask Label Studio again when that is due, and let the work go on once it answers."""
    outage = breaker.outage()
    if outage is not None and breaker.may_probe() and _answers(label_studio, breaker):
        breaker.close()
        logger.info("Label Studio answers again after %.0f s; the work goes on", outage.since_s_ago)


def _answers(label_studio: LabelStudio, breaker: Breaker, *, retry_after_s: float | None = None) -> bool:
    try:
        label_studio.user()
    except TransientError as exc:
        if breaker.outage() is None:
            logger.warning("%s; all work waits until it answers", exc)
        breaker.trip(str(exc), retry_after_s=max(exc.retry_after_s or 0, retry_after_s or 0))
        return False
    except LabelStudioError:
        return True  # it answers; what is wrong is told by the jobs that need it
    return True
