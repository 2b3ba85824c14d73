"""What whoever saw a worker die can do for its job: say so, instead of letting its heartbeat run out."""

from typing import cast

from redis import Redis
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import Worker
from rq.worker_registration import unregister

from backend.jobs.connection import redis_errors
from backend.jobs.keys import WORKER

_LONG_AGO = 1


def note_death(connection: Redis, host: str, pid: int) -> int:
    """Let the jobs of the worker that was process *pid* on *host* count as abandoned, and list it no more.

    Another worker's maintenance gives them to the next one within seconds.

    Returns:
        How many jobs it had in hand.

    Raises:
        QueueUnavailableError: Redis does not answer.
    """
    prefix = f"{Worker.redis_worker_namespace_prefix}{host}-{pid}-"
    lost = 0
    with redis_errors():
        for key in Worker.all_keys(connection):
            if key.startswith(prefix):
                members = cast("set[bytes]", connection.smembers(f"{key}:executions"))
                lost += sum(_expire(connection, member.decode()) for member in members)
                _unlist(connection, key)
    return lost


def _unlist(connection: Redis, key: str) -> None:
    worker = Worker.find_by_key(key, connection, serializer=JSONSerializer)
    if worker is not None:
        unregister(worker)
        name = key.removeprefix(Worker.redis_worker_namespace_prefix)
        connection.delete(key, f"{key}:executions", WORKER.format(name))


def _expire(connection: Redis, composite_key: str) -> bool:
    """Let one execution's heartbeat be long ago; False if it has ended."""
    execution = Execution.from_composite_key(composite_key, connection)
    origin = cast("bytes | None", connection.hget(Job.key_for(execution.job_id), "origin"))
    if origin is None:
        return False
    registry = StartedJobRegistry(origin.decode(), connection=connection, serializer=JSONSerializer)
    return bool(connection.zadd(registry.key, {composite_key: _LONG_AGO}, xx=True, ch=True))
