"""The circuit breaker: while Label Studio is down nobody takes a job, so that no attempt is used up."""

import random
from dataclasses import dataclass

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import BREAKER, PROBE_LOCK

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_PROBE_LOCK_S = 60  # longer than a probe may take
_LONGEST_REASON = 500


@dataclass(frozen=True)
class Outage:
    """Label Studio is down.

    Attributes:
        reason: what it answered last, for a person.
        since_s_ago: seconds since it was first noticed.
        retry_in_s: seconds until it is asked again; not above 0 when that is due.
        failures: how often it was asked in vain.
    """

    reason: str
    since_s_ago: float
    retry_in_s: float
    failures: int


class Breaker:
    """Knows whether Label Studio is down, for all workers at once."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def outage(self) -> Outage | None:
        """Give what is known of the outage, or None while Label Studio answers."""
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            pipe.hgetall(BREAKER)
            pipe.time()
            fields, (seconds, microseconds) = pipe.execute()
        if not fields:
            return None
        now_s = seconds + microseconds / 1e6
        return Outage(
            reason=fields.get(b"reason", b"").decode(),
            since_s_ago=now_s - float(fields.get(b"since", now_s)),
            retry_in_s=float(fields.get(b"until", now_s)) - now_s,
            failures=int(fields.get(b"failures", 0)),
        )

    def trip(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """Note that Label Studio was asked in vain: the next question comes after a growing, uneven pause.

        Args:
            reason: what happened, for a person.
            retry_after_s: seconds that Label Studio itself asked to wait; the pause is no shorter.
        """
        with redis_errors():
            failures = self._connection.hincrby(BREAKER, "failures", 1)
            grown_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
            pause_s = max(grown_s * random.uniform(0.75, 1.25), retry_after_s or 0)  # noqa: S311 - no secret
            now_s = self._now_s()
            with self._connection.pipeline() as pipe:
                pipe.hsetnx(BREAKER, "since", str(now_s))
                pipe.hset(BREAKER, mapping={"until": now_s + pause_s, "reason": reason[:_LONGEST_REASON]})
                pipe.delete(PROBE_LOCK)
                pipe.execute()

    def may_probe(self) -> bool:
        """Whether the caller is the one who asks Label Studio now. ``trip`` or ``close`` must follow."""
        outage = self.outage()
        if outage is None or outage.retry_in_s > 0:
            return False
        with redis_errors():
            return bool(self._connection.set(PROBE_LOCK, "1", nx=True, ex=_PROBE_LOCK_S))

    def close(self) -> None:
        """Note that Label Studio answers."""
        with redis_errors():
            self._connection.delete(BREAKER, PROBE_LOCK)

    def _now_s(self) -> float:
        seconds, microseconds = self._connection.time()
        return seconds + microseconds / 1e6
