"""The queue and those who work on it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended
from rq.worker import BaseWorker

from backend.doctor.examination import Notes, Trouble
from backend.jobs.breaker import Breaker
from backend.jobs.connection import connect, redis_errors
from backend.jobs.errors import QueueUnavailableError
from backend.jobs.progress import Progress
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.labelstudio.client import Project
from backend.labelstudio.connections import MlBackend
from backend.labelstudio.origin import OUR_VERSIONS

_TIMEOUT_S = 5.0
_FULL = 0.9
_SILENT_S = 180  # a worker that lives says so more often, in the middle of a job, too
_OLDEST = {"redis": (5, 0), "valkey": (7, 2)}


def reach_redis(notes: Notes, redis_url: str) -> Redis:
    """Ask Redis for its state; the connection is for the caller to close."""
    where = _without_secrets(redis_url)
    connection = connect(redis_url, timeout_s=_TIMEOUT_S)
    try:
        JobQueue(connection).ping()
        with redis_errors():
            info: Mapping[str, Any] = connection.info()
    except QueueUnavailableError as exc:
        raise Trouble(
            f"{where}: {exc}",
            "start Redis (`make up` brings one), or set REDIS_URL as web process and workers have it",
        ) from exc
    name, version = _server(info)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST[name]:
        notes.wrong(f"{where} is {name} {version}", "use Redis 5 or Valkey 7.2, or a later one")
    else:
        notes.well(f"{where} answers: {name} {version}")
    return connection


def look_at_memory(notes: Notes, connection: Redis) -> None:
    """Whether Redis takes what is queued, and drops nothing of it."""
    with redis_errors():
        info: Mapping[str, Any] = connection.info()
    if info.get("role") == "slave":
        notes.wrong("this Redis is a replica: nothing can be queued", "set REDIS_URL to the primary")
    policy, most = str(info.get("maxmemory_policy", "noeviction")), int(info.get("maxmemory", 0))
    used = int(info["used_memory"])
    if policy != "noeviction":
        say = notes.wrong if most else notes.warn
        when = "" if most else " once a maxmemory is set"
        say(
            f"maxmemory-policy is {policy}: Redis drops jobs and states{when}",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and in its configuration file",
        )
    if most and used > _FULL * most:
        notes.wrong(
            f"{used:,} of at most {most:,} bytes are used: soon, nothing more can be queued",
            "raise maxmemory of Redis",
        )
    if not any(finding.state == "wrong" for finding in notes.findings):
        notes.well(f"{used / 1e6:,.0f} MB used{f' of {most / 1e6:,.0f}' if most else ', no bound'}")


def look_at_persistence(notes: Notes, connection: Redis) -> None:
    """Whether the queue outlives a restart of Redis."""
    with redis_errors():
        info: Mapping[str, Any] = connection.info("persistence")
    if "err" in (info.get("rdb_last_bgsave_status"), info.get("aof_last_write_status")):
        notes.wrong(
            "Redis cannot write its data to the disk, and may refuse everything for that",
            "see the log of Redis: most often the disk is full, or its folder belongs to somebody else",
        )
    elif not info.get("aof_enabled"):
        notes.warn(
            "no append-only file: a restart of Redis loses the queue (no person's work) until the next "
            "reconciliation",
            "start Redis with --appendonly yes, unless this is a trial",
        )
    else:
        notes.well("append-only file")


def look_at_sharing(
    notes: Notes, connection: Redis, project: Project, backends: Sequence[MlBackend]
) -> Redis:
    """Whether our web process uses this Redis; give it to those who compare what both say.

    To ask for the project's backends had Label Studio show each of them the label config, which ours notes.
    """
    said = [each.model_version for each in backends if each.is_connected]
    ours = [version for version in said if version.startswith(OUR_VERSIONS)]
    if ours and not Progress(connection).is_set_up(project.id):
        raise Trouble(
            f"the connected model says {ours[0]}, and the queue at REDIS_URL has heard nothing of that: "
            "`oneshot web` uses another Redis",
            "give `oneshot web`, the workers and this command the same REDIS_URL",
        )
    if ours:
        notes.well("`oneshot web` uses it, too")
    return connection


def look_at_workers(notes: Notes, connection: Redis) -> int:
    """Count the workers; there must be some on every queue."""
    with redis_errors():
        workers = [
            each for each in Worker.all(connection=connection, serializer=JSONSerializer) if _lives(each)
        ]
        suspended = is_suspended(connection)
        serving = {name: sum(name in worker.queue_names() for worker in workers) for name in QUEUE_NAMES}
    idle = [name for name, count in serving.items() if not count]
    if len(idle) == len(QUEUE_NAMES):
        raise Trouble(
            "no worker is running: nothing is computed",
            "start `oneshot worker` with this REDIS_URL; if it ends at once, its last line says why",
        )
    if idle:
        notes.wrong(f"no worker serves {', '.join(idle)}", "start `oneshot worker`, which serves all queues")
    if suspended:
        notes.wrong("the workers are suspended: they take no jobs", "rq resume --url REDIS_URL")
    ours = max(serving.values())
    hosts = sorted({worker.hostname or "?" for worker in workers})
    if not idle and not suspended:
        notes.well(f"{ours} alive on {', '.join(hosts)}, each on {len(QUEUE_NAMES)} queues")
    _look_at_breaker(notes, connection)
    return ours


def _lives(worker: BaseWorker) -> bool:
    """Whether it gave a sign of life lately."""
    beat = worker.last_heartbeat
    if beat is None:
        return False
    aware = beat if beat.tzinfo else beat.replace(tzinfo=UTC)
    return (datetime.now(UTC) - aware).total_seconds() < _SILENT_S


def _look_at_breaker(notes: Notes, connection: Redis) -> None:
    outage = Breaker(connection).outage()
    if outage is not None:
        notes.wrong(
            f"the workers wait because Label Studio does not answer them: {outage.reason}",
            "see that LABEL_STUDIO_URL is right as seen from the workers; they go on by themselves",
        )


def _server(info: Mapping[str, Any]) -> tuple[str, str]:
    if "valkey_version" in info:
        return "valkey", str(info["valkey_version"])
    return "redis", str(info["redis_version"])


def _without_secrets(redis_url: str) -> str:
    parts = urlsplit(redis_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
