"""The time that one part of a job may take: a task, or an image."""

import signal
import time

TIMER = signal.ITIMER_REAL


class Deadline:
    """Moves the alarm that RQ sets for a whole job to the end of each of its parts.

    A job may be many tasks; one that hangs would hold its worker for the time that all of them may take.

    Args:
        part_s: seconds that a part may take; None: the alarm stays as RQ has set it.
    """

    def __init__(self, part_s: int | None) -> None:
        self._part_s = part_s
        self._ends_at: float | None = None

    def begin_part(self) -> None:
        """Give the part that begins its time; nothing happens where no alarm is set, or it has gone off."""
        if self._part_s and signal.getitimer(TIMER)[0] > 0:
            signal.alarm(self._part_s)
            self._ends_at = time.monotonic() + self._part_s

    @property
    def overdue_s(self) -> float:
        """Seconds since the part in hand should have ended; 0 if it has time, or none has begun."""
        return max(0.0, time.monotonic() - self._ends_at) if self._ends_at is not None else 0.0
