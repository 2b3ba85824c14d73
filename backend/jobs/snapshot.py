"""Everything that a person may want to see of the queue, as plain values that become JSON.

Cheap for projects of many thousand tasks: the states are counted as they change, and of the tasks only the
last ones, the last failed and the last limited ones are read.
"""

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from backend.jobs.connection import redis_errors
from backend.jobs.keys import PROJECTS, ProjectKeys
from backend.jobs.queue import PREDICT_QUEUE, JobQueue
from backend.jobs.warning_texts import limited_searches, small_references, weak_references

_MOST_PROJECTS = 50
_MOST_TASKS = 200
_MOST_FAILED = 100
_MOST_LIMITED = 100


def snapshot(connection: Redis) -> dict[str, Any]:
    """Read the state of the projects (the last changed first), of the workers and of the queue.

    Returns:
        ``projects``: each with ``id``, ``model_version``, ``reason``, ``error``, ``references``, ``warnings``
        as sentences, exact ``counts`` of tasks by state, the number of ``limited`` ones, whose search a bound
        ended early, and the last ``tasks``; ``workers`` with ``name``,
        ``state``, ``job``; ``queue`` with numbers of jobs.

    Raises:
        QueueUnavailableError: Redis does not answer.
    """
    with redis_errors():
        members = cast("list[bytes]", connection.zrange(PROJECTS, 0, _MOST_PROJECTS - 1, desc=True))
        found = [_project(connection, int(member)) for member in members]
        projects = [project for project in found if project]
        workers = _workers(connection)
    return {"projects": projects, "workers": workers, "queue": JobQueue(connection).depths()}


def _project(connection: Redis, project_id: int) -> dict[str, Any] | None:
    keys = ProjectKeys(project_id)
    with connection.pipeline(transaction=False) as pipe:
        pipe.hgetall(keys.project)
        pipe.hgetall(keys.counts)
        pipe.zcard(keys.limited)
        pipe.zrange(keys.recent, 0, _MOST_TASKS - 1, desc=True)
        pipe.zrange(keys.failed, 0, _MOST_FAILED - 1, desc=True)
        pipe.zrange(keys.limited, 0, _MOST_LIMITED - 1, desc=True)
        fields, counts, limited, *shown = pipe.execute()
    if not fields:
        return None
    tasks = _tasks(connection, keys, list(dict.fromkeys(chain.from_iterable(shown))))
    references = json.loads(fields.get(b"references", b"[]"))
    return {
        "id": project_id,
        "model_version": fields.get(b"model_version", b"").decode() or None,
        "reason": fields.get(b"reason", b"").decode() or None,
        "error": fields.get(b"error", b"").decode() or None,
        "references": references,
        "warnings": [
            *weak_references(references),
            *small_references(references),
            *limited_searches(limited, tasks),
        ],
        "counts": {state.decode(): int(count) for state, count in sorted(counts.items()) if int(count) > 0},
        "limited": limited,
        "tasks": tasks,
    }


def _tasks(connection: Redis, keys: ProjectKeys, task_ids: Sequence[bytes]) -> list[dict[str, Any]]:
    if not task_ids:
        return []
    entries = zip(task_ids, connection.hmget(keys.tasks, list(task_ids)), strict=True)
    return [_task(int(task_id), json.loads(entry)) for task_id, entry in entries if entry]


def _task(task_id: int, entry: dict[str, Any]) -> dict[str, Any]:
    figures = {name: entry.get(name) for name in ("instances", "confidence", "seconds", "reason")}
    return {"id": task_id, "state": entry["state"], **figures, "limits": entry.get("limits", [])}


def _workers(connection: Redis) -> list[dict[str, Any]]:
    queue = Queue(PREDICT_QUEUE, connection=connection, serializer=JSONSerializer)
    return [
        {"name": worker.name, "state": str(worker.get_state()), "job": worker.get_current_job_id()}
        for worker in Worker.all(queue=queue, serializer=JSONSerializer)
    ]
