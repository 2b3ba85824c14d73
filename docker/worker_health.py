"""Exit 0 if a worker of this machine is registered in Redis: the health check of the worker's container.

A registration ends about 95 seconds after the last heartbeat. ``--alive``: also 0 when Redis does not answer,
which a restart of this container would not cure: its worker waits for Redis by itself.
"""

import socket
import sys

from redis import Redis
from redis.exceptions import RedisError
from rq.serializers import JSONSerializer
from rq.worker import Worker

from backend.settings import Settings

TIMEOUT_S = 5


def registered(redis_url: str, hostname: str) -> bool:
    """Whether a worker that runs on *hostname* is registered.

    Workers are named after their machine, so that only this machine's are read, however many there are.

    Raises:
        RedisError: Redis does not answer.
    """
    with Redis.from_url(redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S) as connection:
        prefix = f"{Worker.redis_worker_namespace_prefix}{hostname}-"
        keys = [key for key in Worker.all_keys(connection) if key.startswith(prefix)]
        workers = [Worker.find_by_key(key, connection, serializer=JSONSerializer) for key in keys]
    return any(worker is not None and worker.hostname == hostname for worker in workers)


def main(arguments: list[str]) -> int:
    """Check, say what was wrong, and give the exit status."""
    try:
        well = registered(Settings().redis_url, socket.gethostname())
    except RedisError as exc:
        sys.stderr.write(f"expected Redis to answer, got {type(exc).__name__}: {exc}\n")
        return 0 if "--alive" in arguments else 1
    if not well:
        sys.stderr.write(f"expected a worker of {socket.gethostname()} to be registered in Redis, got none\n")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
