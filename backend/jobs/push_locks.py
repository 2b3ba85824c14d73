"""Locks of tasks while their predictions are deleted and stored: two workers at once would leave two of each.

A batch takes and gives back its locks in one step each, whatever their number.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

from redis import Redis

from backend.jobs.connection import redis_errors

_KEY = "oneshot:push-lock:{}:{}"
_LOCK_S = 120  # longer than Label Studio may take to answer; a killed worker holds up a task no longer
_POLL_S = 0.1

# KEYS: locks. ARGV: our token, milliseconds that a lock holds, whether one that another holds is waited for.
# What is behind that one is left, too: all take their locks in one order, so that no two wait for each other.
# Returns which of KEYS are ours now, counted from 1.
_TAKE = """
local taken = {}
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2]) or redis.call('GET', key) == ARGV[1] then
    taken[#taken + 1] = i
  elseif ARGV[3] == '1' then break end
end
return taken
"""

# KEYS: locks. ARGV: our token, and 1 to give them back. Returns which of KEYS were ours, counted from 1.
_HELD = """
local held = {}
for i, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    held[#held + 1] = i
    if ARGV[2] == '1' then redis.call('DEL', key) end
  end
end
return held
"""


class PushLocks:
    """The locks of a project's tasks.

    Every method raises ``QueueUnavailableError`` when Redis does not answer.

    Args:
        connection: to Redis.
        project_id: whose tasks they are.
        wait_s: seconds that ``hold`` waits for locks that others hold, in all.
    """

    def __init__(self, connection: Redis, project_id: int, *, wait_s: float = 10) -> None:
        self._project_id = project_id
        self._wait_s = wait_s
        self._take = connection.register_script(_TAKE)
        self._held = connection.register_script(_HELD)

    @contextmanager
    def hold(self, task_ids: Sequence[int]) -> Iterator["HeldLocks"]:
        """Hold the locks of those tasks that nobody else pushes, or has finished pushing soon."""
        token = uuid4().hex
        held = HeldLocks(self, token, self._acquire(sorted(set(task_ids)), token))
        try:
            yield held
        finally:
            self.held(held.task_ids, token, release=True)

    def _acquire(self, task_ids: Sequence[int], token: str) -> frozenset[int]:
        taken: set[int] = set()
        deadline = time.monotonic() + self._wait_s
        while left := [each for each in task_ids if each not in taken]:
            patient = time.monotonic() < deadline
            args: list[str | int] = [token, 1000 * _LOCK_S, int(patient)]
            with redis_errors():
                found = cast("list[int]", self._take(keys=self._keys(left), args=args))
            taken.update(left[each - 1] for each in found)
            if len(found) == len(left) or not patient:
                break
            time.sleep(_POLL_S)
        return frozenset(taken)

    def held(self, task_ids: frozenset[int], token: str, *, release: bool = False) -> frozenset[int]:
        """Give those whose lock still holds *token*; with *release*, give it back."""
        if not task_ids:
            return frozenset()
        ids = sorted(task_ids)
        with redis_errors():
            found = cast("list[int]", self._held(keys=self._keys(ids), args=[token, int(release)]))
        return frozenset(ids[each - 1] for each in found)

    def _keys(self, task_ids: Sequence[int]) -> list[str]:
        return [_KEY.format(self._project_id, task_id) for task_id in task_ids]


class HeldLocks:
    """The locks that a ``hold`` got.

    Attributes:
        task_ids: of them.
    """

    def __init__(self, locks: PushLocks, token: str, task_ids: frozenset[int]) -> None:
        self.task_ids = task_ids
        self._locks = locks
        self._token = token

    def lost(self) -> list[int]:
        """List the tasks whose lock did not last: this process stood still, or Redis came back empty."""
        return sorted(self.task_ids - self._locks.held(self.task_ids, self._token))
