"""A function called every few seconds beside the job in hand."""

import logging
import threading
from collections.abc import Callable

from redis.exceptions import RedisError

from backend.jobs.errors import QueueUnavailableError

logger = logging.getLogger(__name__)


class Background(threading.Thread):
    """Calls *step* every *interval_s* seconds until it is stopped; waits while Redis is away.

    Args:
        name: of the thread, for logs.
        step: does a little and returns. Its Redis errors are said once and waited out.
        interval_s: seconds between two calls.
    """

    def __init__(self, name: str, step: Callable[[], None], *, interval_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._interval_s = interval_s
        self._stopping = threading.Event()
        self._reached = True

    def run(self) -> None:
        """Call the step until ``stop``."""
        while not self._stopping.wait(self._interval_s):
            self._step_or_wait()

    def stop(self) -> None:
        """Let the step in hand finish, then end."""
        self._stopping.set()
        self.join()

    def _step_or_wait(self) -> None:
        try:
            self._step()
        except (RedisError, QueueUnavailableError) as exc:
            if self._reached:
                logger.warning("%s waits for Redis: %s", self.name, exc)
            self._reached = False
        else:
            self._reached = True
