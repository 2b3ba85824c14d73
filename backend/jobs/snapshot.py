"""Everything that a person may want to see of the queue, as plain values that become JSON.

Cheap for projects of many thousand tasks: the states are counted as they change, and of the tasks only the
last ones, the last failed and the last limited ones are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from typing import Any, cast

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from backend.jobs.breaker import Breaker
from backend.jobs.connection import redis_errors
from backend.jobs.failures import failures_by_reason
from backend.jobs.keys import PROJECTS, WORKER, ProjectKeys
from backend.jobs.learning import learning_snapshot
from backend.jobs.pictures import MOST_TASKS as MOST_PICTURES
from backend.jobs.pictures import reference_field, references_key, times_key
from backend.jobs.queue import PREDICT_QUEUE, JobQueue
from backend.jobs.runs import run_progress
from backend.jobs.warm_ups import warm_up_progress
from backend.jobs.warning_texts import limited_searches, passed_over, small_references, weak_references

MOST_TASKS = 200
_MOST_PROJECTS = 50
_PICTURED = ("done", "empty")


def snapshot(connection: Redis, *, most_tasks: int = MOST_TASKS) -> dict[str, Any]:
    """Read the state of the projects (the last changed first), of the workers and of the queue.

    Args:
        connection: to Redis.
        most_tasks: of each project that are shown: the last ones, half as many of the last failed ones and of
            the last limited ones.

    Returns:
        ``projects``: see ``project_snapshot``; ``workers`` with ``name``, ``state``, ``job``, ``host``,
        ``pid``, ``rss_bytes``, ``project_id``, ``task_id``, ``busy_s``, ``jobs_done``, ``jobs_failed``;
        ``queue`` with numbers of jobs; ``label_studio``: whether it is ``down``, since when, and why.

    Raises:
        QueueUnavailableError: Redis does not answer.
    """
    with redis_errors():
        members = cast("list[bytes]", connection.zrange(PROJECTS, 0, _MOST_PROJECTS - 1, desc=True))
        found = [project_snapshot(connection, int(member), most_tasks=most_tasks) for member in members]
        projects = [project for project in found if project]
        workers = worker_rows(connection)
        seconds, microseconds = connection.time()
    return {
        "projects": projects,
        "workers": [
            {**worker, **_in_hand(worker, projects, seconds + microseconds / 1e6)} for worker in workers
        ],
        "queue": JobQueue(connection).depths(),
        "label_studio": _label_studio(connection),
    }


def project_snapshot(
    connection: Redis, project_id: int, *, most_tasks: int = MOST_TASKS
) -> dict[str, Any] | None:
    """Read the state of one project; None if nothing is known of it. Arguments as in ``snapshot``.

    Returns:
        ``id``, ``title``, ``model_version``, ``reason``, ``error``, ``synced_at``; ``references``, each with
        ``pictured``; ``warnings`` as sentences; exact ``counts`` of tasks by state; the number of ``limited``
        ones, whose search a bound ended early; the last ``tasks``; ``pictures``: the last finished tasks that
        have one; ``failures``: the last failed tasks by reason; ``learning``: see ``learning_snapshot``;
        ``run`` and ``warm_up``, if there are any.
    """
    keys = ProjectKeys(project_id)
    with connection.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.project)
        pipe.hgetall(keys.counts)
        pipe.zcard(keys.limited)
        pipe.hkeys(references_key(project_id))
        pipe.zrange(times_key(project_id), 0, MOST_PICTURES - 1, desc=True)
        pipe.zrange(keys.recent, 0, most_tasks - 1, desc=True)
        pipe.zrange(keys.failed, 0, most_tasks // 2 - 1, desc=True)
        pipe.zrange(keys.limited, 0, most_tasks // 2 - 1, desc=True)
        fields, counts, limited, drawn, pictured, *shown = pipe.execute()
    run, warm_up = run_progress(connection, project_id), warm_up_progress(connection, project_id)
    if not fields and run is None:
        return None
    tasks = _tasks(connection, keys, list(dict.fromkeys(chain.from_iterable([*shown, pictured]))))
    references = _references(fields, drawn)
    by_id = {task["id"]: task for task in tasks}
    failed = [by_id[int(task_id)] for task_id in shown[1] if int(task_id) in by_id]
    last = [by_id[int(task_id)] for task_id in pictured if int(task_id) in by_id]
    return {
        "id": project_id,
        **{name: _text(fields, name) for name in ("title", "model_version", "reason", "error")},
        "synced_at": float(fields.get(b"synced_at", 0)) or None,
        "references": references,
        "warnings": [
            *weak_references(references),
            *small_references(references),
            *limited_searches(limited, tasks),
            *passed_over(json.loads(fields.get(b"refusals", b"[]")), int(fields.get(b"refused", 0))),
        ],
        "counts": {state.decode(): int(count) for state, count in sorted(counts.items()) if int(count) > 0},
        "limited": limited,
        "learning": learning_snapshot(connection, project_id),
        "run": asdict(run) if run else None,
        "warm_up": asdict(warm_up) if warm_up else None,
        "pictures": [task for task in last if task["state"] in _PICTURED],
        "failures": failures_by_reason(failed),
        "tasks": tasks,
    }


def _text(fields: Mapping[bytes, bytes], name: str) -> str | None:
    return fields.get(name.encode(), b"").decode() or None


def _references(fields: Mapping[bytes, bytes], drawn: Sequence[bytes]) -> list[dict[str, Any]]:
    """Give the notes of the references, and whether there is a picture of each."""
    notes = json.loads(fields.get(b"references", b"[]"))
    names = {name.decode() for name in drawn}
    return [
        {**note, "pictured": reference_field(note["annotation"], note["label"]) in names} for note in notes
    ]


def _tasks(connection: Redis, keys: ProjectKeys, task_ids: Sequence[bytes]) -> list[dict[str, Any]]:
    if not task_ids:
        return []
    entries = zip(task_ids, connection.hmget(keys.tasks, list(task_ids)), strict=True)
    return [_task(int(task_id), json.loads(entry)) for task_id, entry in entries if entry]


def _task(task_id: int, entry: dict[str, Any]) -> dict[str, Any]:
    figures = {
        name: entry.get(name) for name in ("instances", "confidence", "seconds", "reason", "at", "job")
    }
    return {"id": task_id, "state": entry["state"], **figures, "limits": entry.get("limits", [])}


def _label_studio(connection: Redis) -> dict[str, Any]:
    outage = Breaker(connection).outage()
    if outage is None:
        return {"down": False, "reason": None, "since_s_ago": None, "retry_in_s": None}
    retry_in_s = max(0.0, outage.retry_in_s)
    return {
        "down": True, "reason": outage.reason, "since_s_ago": outage.since_s_ago, "retry_in_s": retry_in_s,
    }  # fmt: skip


def _in_hand(
    worker: Mapping[str, Any], projects: Sequence[Mapping[str, Any]], now_s: float
) -> dict[str, Any]:
    """Give the task that a worker computes, its project, and since when: the one its job took last."""
    taken = [
        (task["at"] or 0, project["id"], task["id"])
        for project in projects
        for task in project["tasks"]
        if task["state"] == "processing" and task["job"] == worker["job"]
    ]
    if worker["job"] is None or not taken:
        return {"task_id": None, "busy_s": None}
    at, project_id, task_id = max(taken)
    return {"project_id": project_id, "task_id": task_id, "busy_s": max(0.0, now_s - at)}


def worker_rows(connection: Redis) -> list[dict[str, Any]]:
    """Read what each worker does, in the order of their names."""
    queue = Queue(PREDICT_QUEUE, connection=connection, serializer=JSONSerializer)
    workers = Worker.all(queue=queue, serializer=JSONSerializer)
    with connection.pipeline(transaction=False) as pipe:
        for worker in workers:
            pipe.hgetall(WORKER.format(worker.name))
        notes = pipe.execute()
    found = [_worker(worker, note) for worker, note in zip(workers, notes, strict=True)]
    return sorted(found, key=lambda worker: str(worker["name"]))


def _worker(worker: BaseWorker, note: Mapping[bytes, bytes]) -> dict[str, Any]:
    return {
        "name": worker.name,
        "host": _text(note, "host") or worker.hostname,
        "state": str(worker.get_state()),
        "job": worker.get_current_job_id(),
        **{name: _number(note, name) for name in ("pid", "rss_bytes", "project_id")},
        "jobs_done": worker.successful_job_count,
        "jobs_failed": worker.failed_job_count,
        "up_s": _seconds_since(worker.birth_date),
    }


def _number(note: Mapping[bytes, bytes], name: str) -> int | None:
    text = note.get(name.encode())
    return int(float(text)) if text else None


def _seconds_since(birth: datetime | None) -> float | None:
    if birth is None:
        return None
    aware = birth if birth.tzinfo else birth.replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - aware).total_seconds())
