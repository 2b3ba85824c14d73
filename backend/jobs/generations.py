"""The generations of each project, which of them is to be current, and what they learned.

What a generation is made of follows from Label Studio; kept here are its name, so that it can be made current
again, what was learned, so that no other worker learns it once more, and what people asked for.
"""

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import PROJECTS, SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.queue import JobQueue

MOST_KEPT = 30  # generations of a project; the oldest go first
_COUNT, _ASKED, _PIN, _PINNED_OVER, _MISSING = "count", "asked", "pin", "pinned_over", "missing"
_PIN_BEFORE, _UNCOUNTED = "pin_before", "uncounted"
_NEVER = 10**9
_UNTAUGHT_S = 60
_LEARNS_S = 60 * 60  # at most, as a sync

# KEYS: what people asked for. ARGV: a field, its value that was seen. Deletes it unless it changed since.
_DROP_IF = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
"""


@dataclass(frozen=True)
class GenerationNote:
    """What is known of one generation.

    Attributes:
        version: its model version.
        made_at: when it was first made, in seconds since 1970.
        references: label and annotation of each reference.
        evidence: the reviewed annotations that it learned from, in the order of their creation.
        reviewed: how many reviewed annotations there were.
        seen: how many of them were looked at, also where a bound left the older ones out.
        tasks: of these annotations.
        in_vain: reviewed annotations that were looked at, and taught nothing that saves work.
        current: whether it is the project's current one.
        pinned: whether a person has made it current.
        lost: whether a person has wanted it again in vain: what it was made of, or a setting, has changed.
    """

    version: str
    made_at: float
    references: tuple[tuple[str, int], ...]
    evidence: tuple[int, ...] = ()
    reviewed: int = 0
    seen: int = 0
    tasks: Mapping[int, int] = field(default_factory=dict)
    in_vain: int = 0
    current: bool = False
    pinned: bool = False
    lost: bool = False


@dataclass(frozen=True)
class Wishes:
    """What people asked for, as a sync reads it.

    Attributes:
        asked: a token, if everything that was reviewed is to be learned from now.
        count: reviewed annotations that were learned from when that was last asked for.
        pin: the version that is to be current.
        pinned_over: what would have been current without the pin, when it was first seen.
        excluded: annotations that are not to teach.
    """

    asked: str | None = None
    count: int = 0
    pin: str | None = None
    pinned_over: str | None = None
    excluded: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Learner:
    """Who learns at this moment.

    Attributes:
        job: the sync.
        corrections: that it learns from.
    """

    job: str
    corrections: int


class Generations:
    """Keeps the generations of all projects, and takes what people want of them."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._connection: Redis = queue.connection
        self._drop_if = queue.connection.register_script(_DROP_IF)

    def list(self, project_id: int) -> builtins.list[GenerationNote]:
        """List the project's generations, the newest first."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.generations)
            pipe.hget(keys.project, "model_version")
            pipe.hget(keys.wishes, _PIN)
            found, current, pin = pipe.execute()
        notes = [
            _note(version.decode(), json.loads(entry), current=version == current, pinned=version == pin)
            for version, entry in found.items()
        ]
        return sorted(notes, key=lambda note: (note.made_at, note.version), reverse=True)

    def make_current(self, project_id: int, version: str) -> bool:
        """Make a generation current again, until there is something new to learn or a person asks for it.

        Returns:
            False if it is not known any more.
        """
        keys = ProjectKeys(project_id)
        with redis_errors():
            if not self._connection.hexists(keys.generations, version):
                return False
            before = cast("bytes | None", self._connection.hget(keys.wishes, _PIN))
            with self._connection.pipeline() as pipe:
                pipe.hset(keys.wishes, _PIN, version)
                pipe.hdel(keys.wishes, _PINNED_OVER, _PIN_BEFORE)
                if before is not None and before != version.encode():
                    pipe.hset(keys.wishes, _PIN_BEFORE, before)
                pipe.expire(keys.wishes, SECONDS_TO_LIVE)
                pipe.execute()
        self._queue.enqueue_sync(project_id)
        return True

    def exclude(self, project_id: int, annotation_id: int) -> bool:
        """Let an annotation teach nothing any more, neither as a reference nor as a correction.

        Returns:
            False if it is excluded already.
        """
        key = ProjectKeys(project_id).excluded
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.sadd(key, annotation_id)
            pipe.expire(key, SECONDS_TO_LIVE)
            added, _ = pipe.execute()
        self._queue.enqueue_sync(project_id)
        return bool(added)

    def include(self, project_id: int, annotation_id: int) -> bool:
        """Let an excluded annotation teach again.

        Returns:
            False if it is not excluded.
        """
        with redis_errors():
            removed = self._connection.srem(ProjectKeys(project_id).excluded, annotation_id)
        self._queue.enqueue_sync(project_id)
        return bool(removed)

    def excluded(self, project_id: int) -> frozenset[int]:
        """Give the annotations that are not to teach."""
        with redis_errors():
            members = cast("set[bytes]", self._connection.smembers(ProjectKeys(project_id).excluded))
        return frozenset(int(each) for each in members)

    def learn_now(self, project_id: int) -> bool:
        """Learn from everything that was reviewed, whatever the schedule says; undoes ``make_current``.

        Returns:
            False if that was asked for already, and has not happened yet.
        """
        key = ProjectKeys(project_id).wishes
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hget(key, _ASKED)
            pipe.hset(key, _ASKED, uuid4().hex)
            pipe.hdel(key, _PIN, _PINNED_OVER, _PIN_BEFORE)
            pipe.expire(key, SECONDS_TO_LIVE)
            before, *_ = pipe.execute()
        self._queue.enqueue_sync(project_id)
        return before is None

    def wishes(self, project_id: int) -> Wishes:
        """Give what people asked for; also lets it live on."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            pipe.hgetall(keys.wishes)
            pipe.smembers(keys.excluded)
            pipe.expire(keys.wishes, SECONDS_TO_LIVE)
            pipe.expire(keys.excluded, SECONDS_TO_LIVE)
            fields, excluded, *_ = pipe.execute()
        found = {name.decode(): value.decode() for name, value in fields.items()}
        return Wishes(
            asked=found.get(_ASKED),
            count=int(found.get(_COUNT, 0)),
            pin=found.get(_PIN),
            pinned_over=found.get(_PINNED_OVER),
            excluded=frozenset(int(each) for each in excluded),
        )

    def note_pinned_over(self, project_id: int, automatic: str) -> None:
        """Note what would be current without the pin: another one later undoes it."""
        with redis_errors():
            self._connection.hset(ProjectKeys(project_id).wishes, _PINNED_OVER, automatic)

    def note_review(self, project_id: int) -> bool:
        """Note that one more prediction was reviewed.

        Returns:
            Whether there is something to learn now, as far as is known.
        """
        key = ProjectKeys(project_id).wishes
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hincrby(key, _MISSING, -1)
            pipe.hincrby(key, _UNCOUNTED, 1)
            pipe.expire(key, SECONDS_TO_LIVE)
            missing, *_ = pipe.execute()
        return int(missing) <= 0

    def uncounted(self, project_id: int) -> int:
        """Give how many reviews came since the last sync that are not learned from of themselves."""
        key = ProjectKeys(project_id).wishes
        with redis_errors():
            found = cast("list[bytes | None]", self._connection.hmget(key, [_MISSING, _UNCOUNTED]))
        missing, uncounted = (int(each or 0) for each in found)
        return uncounted if missing > 0 else 0

    def note_missing(self, project_id: int, reviews: int | None) -> None:
        """Note, as all were counted, how many more reviews make something to learn; None: no number does."""
        key = ProjectKeys(project_id).wishes
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hset(key, _MISSING, _NEVER if reviews is None else reviews)
            pipe.hdel(key, _UNCOUNTED)
            pipe.expire(key, SECONDS_TO_LIVE)
            pipe.execute()

    def note_lost(self, project_id: int, version: str) -> str | None:
        """Note that a generation cannot be made again: the choice of it never was.

        Returns:
            The version that a person had made current before, and that is to be current now; None: there is
            none, or a person has asked for another one since.
        """
        keys = ProjectKeys(project_id)
        with redis_errors():
            entry = cast("bytes | None", self._connection.hget(keys.generations, version))
            if entry is not None:
                lost = json.dumps({**json.loads(entry), "lost": True})
                self._connection.hset(keys.generations, version, lost)
            before = cast("bytes | None", self._connection.hget(keys.wishes, _PIN_BEFORE))
            if not self._drop_if(keys=[keys.wishes], args=[_PIN, version]) or before is None:
                return None
            with self._connection.pipeline() as pipe:
                pipe.hset(keys.wishes, _PIN, before)
                pipe.hdel(keys.wishes, _PINNED_OVER, _PIN_BEFORE)
                pipe.execute()
        return before.decode()

    def unpin(self, project_id: int, version: str) -> None:
        """Undo ``make_current`` of *version*, unless a person has asked for another one since."""
        with redis_errors():
            self._drop_if(keys=[ProjectKeys(project_id).wishes], args=[_PIN, version])

    def note_learned(self, project_id: int, wishes: Wishes, count: int) -> None:
        """Note that *count* reviewed annotations were learned from because *wishes* asked for it.

        No fewer than before: where learning is off none are, and later those shall be again.
        """
        key = ProjectKeys(project_id).wishes
        with redis_errors():
            self._connection.hset(key, _COUNT, max(count, wishes.count))
            self._drop_if(keys=[key], args=[_ASKED, wishes.asked or ""])

    def keep(
        self,
        project_id: int,
        version: str,
        *,
        references: Iterable[tuple[str, int]],
        evidence: Sequence[int] = (),
        reviewed: int = 0,
        seen: int = 0,
        tasks: Mapping[int, int] | None = None,
        in_vain: int = 0,
    ) -> None:
        """Keep a generation that a sync made; one that is known keeps the time when it was first made.

        Args:
            project_id: the project.
            version: its model version.
            references: label and annotation of each reference.
            evidence: the reviewed annotations it learned from.
            reviewed: how many there were.
            seen: how many of them were looked at, also where a bound left the older ones out.
            tasks: of these annotations.
            in_vain: how many were looked at, and taught nothing that saves work.
        """
        keys = ProjectKeys(project_id)
        with redis_errors():
            before = cast("bytes | None", self._connection.hget(keys.generations, version))
            seconds, microseconds = self._connection.time()
            made_at = json.loads(before)["made_at"] if before else seconds + microseconds / 1e6
            entry = {
                "made_at": made_at,
                "references": [list(each) for each in references],
                "evidence": [*evidence],
                "reviewed": reviewed,
                "seen": seen,
                "tasks": dict(tasks or {}),
                "in_vain": in_vain,
            }
            with self._connection.pipeline() as pipe:
                pipe.hset(keys.generations, version, json.dumps(entry))
                pipe.expire(keys.generations, SECONDS_TO_LIVE)
                pipe.zadd(PROJECTS, {str(project_id): seconds}, nx=True)
                pipe.execute()
        self._forget_oldest(project_id)

    def _forget_oldest(self, project_id: int) -> None:
        old = [
            note.version for note in self.list(project_id)[MOST_KEPT:] if not (note.current or note.pinned)
        ]
        if old:
            with redis_errors():
                self._connection.hdel(ProjectKeys(project_id).generations, *old)

    def note(self, project_id: int, version: str) -> GenerationNote | None:
        """Give what is known of a generation."""
        with redis_errors():
            entry = cast("bytes | None", self._connection.hget(ProjectKeys(project_id).generations, version))
        return _note(version, json.loads(entry), current=False, pinned=False) if entry else None

    def learned(self, project_id: int, name: str) -> str | None:
        """Give what was learned from the reviewed annotations that *name* digests, as JSON, if it is kept."""
        with redis_errors():
            found = self._connection.getex(ProjectKeys(project_id).learned(name), ex=SECONDS_TO_LIVE)
        return cast("bytes", found).decode() if found is not None else None

    def keep_learned(self, project_id: int, name: str, learned: str) -> None:
        """Keep what was learned, so that no other worker learns it once more."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.set(keys.learned(name), learned, ex=SECONDS_TO_LIVE)
            pipe.delete(keys.untaught)
            pipe.execute()

    @contextmanager
    def learning(self, project_id: int, corrections: int) -> Iterator[None]:
        """Tell people, as long as this lasts, that the sync which holds the lock learns from corrections."""
        key = ProjectKeys(project_id).learns_from
        with redis_errors():
            self._connection.set(key, corrections, ex=_LEARNS_S)
        try:
            yield
        finally:
            with redis_errors():
                self._connection.delete(key)

    def learner(self, project_id: int) -> Learner | None:
        """Give who learns; None if nobody does, or the worker that did is gone, and its lock with it."""
        keys = ProjectKeys(project_id)
        with redis_errors():
            found = self._connection.mget(keys.learns_from, keys.sync_lock)
        corrections, held = cast("list[bytes | None]", found)
        if corrections is None or held is None:
            return None
        return Learner(held.decode().partition(" ")[0], int(corrections))

    def note_untaught(self, project_id: int, version: str) -> None:
        """Note for a minute that what a generation has learned is not kept: nobody else need look for it."""
        with redis_errors():
            self._connection.set(ProjectKeys(project_id).untaught, version, ex=_UNTAUGHT_S, nx=True)

    def is_untaught(self, project_id: int, version: str) -> bool:
        """Whether what a generation has learned was missed within the last minute, and not kept since."""
        with redis_errors():
            return self._connection.get(ProjectKeys(project_id).untaught) == version.encode()


def _note(version: str, entry: dict[str, Any], *, current: bool, pinned: bool) -> GenerationNote:
    """Read an entry; what an earlier version of this program kept lacks some of it."""
    in_vain = int(entry.get("in_vain", 0))
    return GenerationNote(
        version,
        made_at=float(entry["made_at"]),
        references=tuple((str(label), int(annotation)) for label, annotation in entry["references"]),
        evidence=tuple(int(each) for each in entry["evidence"]),
        reviewed=int(entry["reviewed"]),
        seen=int(entry.get("seen", 0)) or max(len(entry["evidence"]), in_vain),
        tasks={int(annotation): int(task) for annotation, task in entry.get("tasks", {}).items()},
        in_vain=in_vain,
        current=current,
        pinned=pinned,
        lost=bool(entry.get("lost")),
    )
