"""When a job that raised is tried again: after growing, uneven pauses, or as the other side asks."""

import random

from rq import Retry
from rq.exceptions import AbandonedJobError
from rq.job import Job

from backend.jobs.queue import ATTEMPTS_LEFT

GIVE_BACK = Retry(max=1_000_000, interval=0, enqueue_at_front=True)  # what a job returns that is not done
AWAIT_SYNC = Retry(max=1_000_000, interval=15)  # what a job returns that waits for a sync under way
_FIRST_PAUSE_S = 5.0
_FIRST_PAUSE_AFTER_LOSS_S = 1.0  # another worker may well do it
_LONGEST_PAUSE_S = 600.0
_AFTER_OUTAGE_S = 1.0


def pause_s(
    attempts_left: int, *, retry_after_s: float | None = None, first_s: float = _FIRST_PAUSE_S
) -> float:
    """Seconds before the next attempt: 5, 10, 20, ... up to a quarter shorter or longer, so that jobs spread.

    Args:
        attempts_left: counting the next one.
        retry_after_s: what the other side asked for; the pause is no shorter.
        first_s: the first pause.
    """
    grown_s = min(_LONGEST_PAUSE_S, first_s * 2.0 ** max(0, ATTEMPTS_LEFT - attempts_left))
    return max(grown_s * random.uniform(0.75, 1.25), retry_after_s or 0.0)  # noqa: S311 - no secret


def schedule(job: Job, error: BaseException, *, outage: bool) -> None:
    """Set how *job* is tried again after *error*, if it is: RQ reads it when it has noted the failure.

    Args:
        job: the one that raised.
        error: what it raised; one with ``retry_after_s`` may ask for time.
        outage: Label Studio is down. This attempt does not count: nobody takes a job until it is back.
    """
    if outage:
        job.retries_left = (job.retries_left or 0) + 1
        pause = _AFTER_OUTAGE_S
    else:
        first_s = _FIRST_PAUSE_AFTER_LOSS_S if isinstance(error, AbandonedJobError) else _FIRST_PAUSE_S
        asked_s = getattr(error, "retry_after_s", None)
        pause = pause_s(job.retries_left or 0, retry_after_s=asked_s, first_s=first_s)
    job.retry_intervals = [max(1, round(pause))]
