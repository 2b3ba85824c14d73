"""What is going on, in Redis: the generation of each project and the state of each of its tasks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from redis import Redis

from backend.jobs import scripts
from backend.jobs.breaker import Breaker
from backend.jobs.connection import redis_errors
from backend.jobs.counters import add_counts
from backend.jobs.keys import PROJECTS, SECONDS_TO_LIVE, ProjectKeys
from backend.jobs.snapshot import MOST_TASKS, snapshot

TaskState = Literal["queued", "processing", "done", "empty", "failed", "skipped"]
Taken = Literal["taken", "stale", "elsewhere"]
FINISHED: frozenset[TaskState] = frozenset({"done", "empty", "failed", "skipped"})
_MOST_BLAMED = 2  # times that one task may kill its worker, or hang
_COMPUTING = ("encode", "search", "check")  # stages of the work
_LONGEST_REASON = 500
_MOST_REFUSALS = 5
_LONGEST_TITLE = 200
_MOST_LIMITS = 5


@dataclass(frozen=True)
class ReferenceNote:
    """Where the reference of one label comes from, and what a person should know about it.

    Attributes:
        label: of the reference.
        task: its task.
        annotation: its annotation.
        instances: annotated objects.
        weak: the semantic check steps back for it.
        small: more tiles than the bound allows would show its objects better.
    """

    label: str
    task: int
    annotation: int
    instances: int
    weak: bool = False
    small: bool = False


@dataclass(frozen=True)
class TaskProgress:
    """How far one task is.

    Attributes:
        task_id: the task's.
        state: how far.
        instances: found, once it is done.
        confidence: mean over the instances.
        seconds: what it took.
        reason: why it failed or waits again.
        limits: bounds that ended its search early, each as a sentence.
        stages: seconds by stage of the work (fetch, encode, search, check, push); only their sums are kept.
    """

    task_id: int
    state: TaskState
    instances: int | None = None
    confidence: float | None = None
    seconds: float | None = None
    reason: str | None = None
    limits: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BlameReasons:
    """What tasks of a job that took its worker with it, or hung, are told.

    Attributes:
        again: those in hand, that wait again.
        given_up: all that are left, if the job is not tried again and no task can be blamed.
        set_aside: the one that was blamed before.
    """

    again: str
    given_up: str
    set_aside: str


@dataclass(frozen=True)
class Blame:
    """The task, if any, that is blamed for what happened to its job, and whether it is set aside for it."""

    task_id: int | None
    is_set_aside: bool


@dataclass(frozen=True)
class ProjectProgress:
    """What the last sync of a project found: a model version, or the reason why there is none."""

    project_id: int
    model_version: str | None
    references: tuple[ReferenceNote, ...]
    reason: str | None
    error: str | None
    synced_s_ago: float | None


class Progress:
    """Reads and writes the progress of all projects."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection
        self._set_project = connection.register_script(scripts.SET_PROJECT)
        self._take_task = connection.register_script(scripts.TAKE_TASK)
        self._record_tasks = connection.register_script(scripts.RECORD_TASKS)
        self._blame = connection.register_script(scripts.BLAME)
        self._remove_tasks = connection.register_script(scripts.REMOVE_TASKS)

    def set_generation(
        self,
        project_id: int,
        model_version: str,
        references: Sequence[ReferenceNote],
        *,
        refusals: Sequence[str] = (),
    ) -> bool:
        """Note what a sync found; clears the project's error.

        Args:
            project_id: the project.
            model_version: of the generation.
            references: that it is made from.
            refusals: why other annotations are no references, a sentence for each.

        Returns:
            Whether the model version is new. Then the states of the tasks under the old one are dropped.
        """
        notes = json.dumps([asdict(reference) for reference in references])
        told = json.dumps([each[:_LONGEST_REASON] for each in refusals[:_MOST_REFUSALS]])
        refused = {"refusals": told, "refused": str(len(refusals))}
        return self._set(project_id, model_version, references=notes, **refused, reason="", error="")

    def set_no_reference(self, project_id: int, reason: str) -> bool:
        """Note that a sync found no reference, and why; drops the generation there was, and the error.

        Returns:
            Whether there was a generation before.
        """
        nothing = {"references": "[]", "refusals": "[]", "refused": "0"}
        return self._set(project_id, "", **nothing, reason=reason[:_LONGEST_REASON], error="")

    def _set(self, project_id: int, model_version: str, **fields: str) -> bool:
        pairs = [part for pair in fields.items() for part in pair]
        args: list[str | int] = [project_id, SECONDS_TO_LIVE, model_version, *pairs]
        with redis_errors():
            return bool(self._set_project(keys=ProjectKeys(project_id).of_tasks(), args=args))

    def set_error(self, project_id: int, error: str) -> None:
        """Note why the last sync of a project failed. What the one before found stays."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline() as pipe:
            now_s = self._now_s()
            pipe.hset(keys.project, mapping={"error": error[:_LONGEST_REASON], "synced_at": now_s})
            pipe.expire(keys.project, SECONDS_TO_LIVE)
            pipe.zadd(PROJECTS, {str(project_id): now_s})
            pipe.execute()

    def set_title(self, project_id: int, title: str) -> None:
        """Note what people call a project."""
        key = ProjectKeys(project_id).project
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hset(key, "title", title[:_LONGEST_TITLE])
            pipe.expire(key, SECONDS_TO_LIVE)
            pipe.execute()

    def set_config(self, project_id: int, digest: str) -> bool:
        """Note the digest of the label config that Label Studio last showed the web process.

        Returns:
            Whether it is another one than before, or the first.
        """
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.hget(keys.project, "config")
            pipe.hset(keys.project, "config", digest)
            pipe.expire(keys.project, SECONDS_TO_LIVE)
            pipe.zadd(PROJECTS, {str(project_id): self._now_s()}, nx=True)
            before, *_ = pipe.execute()
        return cast("bytes | None", before) != digest.encode()

    def is_set_up(self, project_id: int) -> bool:
        """Whether Label Studio has shown the project's label config to a web process that uses this Redis."""
        with redis_errors():
            return bool(self._connection.hexists(ProjectKeys(project_id).project, "config"))

    def project(self, project_id: int) -> ProjectProgress:
        """Give what is known of a project; all None where it is not known."""
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            pipe.hgetall(ProjectKeys(project_id).project)
            pipe.time()
            fields, (seconds, microseconds) = pipe.execute()
        return _project(project_id, fields, seconds + microseconds / 1e6)

    def label_studio(self) -> dict[str, Any]:
        """Give as plain values whether Label Studio is down, why, for how long and until when."""
        outage = Breaker(self._connection).outage()
        if outage is None:
            return {"down": False, "reason": None, "since_s_ago": None, "retry_in_s": None}
        retry_in_s = max(0.0, outage.retry_in_s)
        return {
            "down": True,
            "reason": outage.reason,
            "since_s_ago": outage.since_s_ago,
            "retry_in_s": retry_in_s,
        }

    def model_version(self, project_id: int) -> str | None:
        """Give the project's current generation, if it has one."""
        with redis_errors():
            version = cast(
                "bytes | None", self._connection.hget(ProjectKeys(project_id).project, "model_version")
            )
        return version.decode() if version else None

    def model_versions(self) -> list[str]:
        """List the current generations of all projects, the last changed project first, each once."""
        with redis_errors(), self._connection.pipeline(transaction=False) as pipe:
            for member in cast("list[bytes]", self._connection.zrange(PROJECTS, 0, -1, desc=True)):
                pipe.hget(ProjectKeys(int(member)).project, "model_version")
            versions = pipe.execute()
        return list(dict.fromkeys(version.decode() for version in versions if version))

    def take(self, project_id: int, model_version: str, task_id: int, job_id: str) -> Taken:
        """Note that a job begins to work on a task that it carries.

        Returns:
            ``taken``: it is to go on. ``elsewhere``: the task is another job's by now, finished or cancelled.
            ``stale``: the project has moved on to another generation.
        """
        keys = ProjectKeys(project_id).of_tasks()
        with redis_errors():
            answer = cast("bytes", self._take_task(keys=keys, args=[model_version, task_id, job_id]))
        return cast("Taken", answer.decode())

    def record(self, project_id: int, model_version: str, task: TaskProgress) -> bool:
        """Note the state of a task; see ``record_many``."""
        return self.record_many(project_id, model_version, [task])

    def record_many(self, project_id: int, model_version: str, tasks: Sequence[TaskProgress]) -> bool:
        """Note the states of tasks, all or none.

        Returns:
            False if the project has moved on to another generation: nothing is noted, and the work is moot.
        """
        args: list[str | int | float] = [project_id, model_version, SECONDS_TO_LIVE, _computing_s(tasks)]
        args += [part for task in tasks for part in (task.task_id, json.dumps(_entry(task)))]
        with redis_errors():
            current = bool(self._record_tasks(keys=ProjectKeys(project_id).of_tasks(), args=args))
            if current:
                self._count(tasks)
        return current

    def _count(self, tasks: Sequence[TaskProgress]) -> None:
        """Add what the tasks took, and how they ended, to the sums."""
        amounts: dict[str, float] = {}
        for task in tasks:
            if task.state in FINISHED:
                amounts[f"images:{task.state}"] = amounts.get(f"images:{task.state}", 0) + 1
            for stage, seconds in task.stages.items():
                amounts[f"seconds:{stage}"] = amounts.get(f"seconds:{stage}", 0) + seconds
        self._add(amounts)

    def _add(self, amounts: Mapping[str, float]) -> None:
        if amounts:
            with self._connection.pipeline(transaction=False) as pipe:
                add_counts(pipe, amounts)
                pipe.execute()

    def blame(
        self,
        project_id: int,
        model_version: str,
        task_ids: Sequence[int],
        *,
        job_id: str,
        tried_again: bool,
        reasons: BlameReasons,
    ) -> Blame:
        """Note that a job took its worker with it, or did not end in time: its tasks wait again.

        Of the tasks in hand the last one taken is blamed. Blamed for the second time, it is set aside. Where
        none can be blamed and the job is not tried again, its tasks have failed with it.
        """
        told = (reasons.again, reasons.given_up, reasons.set_aside)
        args: list[str | int] = [project_id, model_version, SECONDS_TO_LIVE, job_id, int(tried_again)]
        args += [_MOST_BLAMED, *(each[:_LONGEST_REASON] for each in told), *task_ids]
        with redis_errors():
            blamed, aside, failed = self._blame(keys=ProjectKeys(project_id).of_tasks(), args=args)
            self._add({"images:failed": failed} if failed else {})
        return Blame(int(blamed) if blamed else None, is_set_aside=bool(aside))

    def states(
        self, project_id: int, task_ids: Sequence[int], *, job_id: str | None = None
    ) -> dict[int, TaskState]:
        """Give the states of tasks under the current generation.

        Args:
            project_id: the project.
            task_ids: the tasks; unknown ones are left out.
            job_id: leave out the tasks that this job does not carry.
        """
        if not task_ids:
            return {}
        with redis_errors():
            found = cast(
                "list[bytes | None]",
                self._connection.hmget(ProjectKeys(project_id).tasks, [str(task_id) for task_id in task_ids]),
            )
        entries = {
            task_id: json.loads(entry) for task_id, entry in zip(task_ids, found, strict=True) if entry
        }
        return {
            task_id: entry["state"]
            for task_id, entry in entries.items()
            if job_id is None or entry.get("job") == job_id
        }

    def remove_tasks(self, project_id: int, task_ids: Iterable[int]) -> None:
        """Forget tasks that were deleted."""
        args = [str(task_id) for task_id in task_ids]
        if args:
            with redis_errors():
                self._remove_tasks(keys=ProjectKeys(project_id).of_tasks(), args=args)

    def forget_project(self, project_id: int) -> None:
        """Forget a project that is gone."""
        keys = ProjectKeys(project_id)
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.unlink(*(key for key in keys.of_tasks() if key != PROJECTS), keys.warm_up)
            pipe.unlink(keys.generations, keys.wishes, keys.excluded)
            pipe.zrem(PROJECTS, str(project_id))
            pipe.execute()

    def snapshot(self, *, most_tasks: int = MOST_TASKS) -> dict[str, Any]:
        """Give everything there is to show, as plain values: see ``backend.jobs.snapshot``."""
        return snapshot(self._connection, most_tasks=most_tasks)

    def _now_s(self) -> float:
        seconds, microseconds = self._connection.time()
        return seconds + microseconds / 1e6


def _computing_s(tasks: Sequence[TaskProgress]) -> float | str:
    """Give the mean seconds that a worker computed; without waiting for others, which many tasks share."""
    computed = [[task.stages[each] for each in _COMPUTING if each in task.stages] for task in tasks]
    seconds = [sum(each) for each in computed if each]
    return sum(seconds) / len(seconds) if seconds else ""


def _entry(task: TaskProgress) -> dict[str, Any]:
    """Give what is stored of a task: what there is, and in bounds."""
    entry = {key: value for key, value in asdict(task).items() if value not in (None, ())}
    entry.pop("task_id")
    entry.pop("stages")
    if task.reason:
        entry["reason"] = task.reason[:_LONGEST_REASON]
    if task.limits:
        entry["limits"] = [limit[:_LONGEST_REASON] for limit in task.limits[:_MOST_LIMITS]]
    return entry


def _project(project_id: int, fields: dict[bytes, bytes], now_s: float) -> ProjectProgress:
    references = json.loads(fields.get(b"references", b"[]"))
    synced_at = fields.get(b"synced_at")
    return ProjectProgress(
        project_id,
        model_version=fields.get(b"model_version", b"").decode() or None,
        references=tuple(ReferenceNote(**reference) for reference in references),
        reason=fields.get(b"reason", b"").decode() or None,
        error=fields.get(b"error", b"").decode() or None,
        synced_s_ago=now_s - float(synced_at) if synced_at else None,
    )
