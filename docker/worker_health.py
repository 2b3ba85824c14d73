"""Exit 0 if a worker of this machine is registered in Redis: the health check of the worker's container."""

import socket
import sys

from redis import Redis
from rq.serializers import JSONSerializer
from rq.worker import Worker

from backend.settings import Settings


def healthy() -> bool:
    """Whether a worker that runs here is registered; its registration ends with its heartbeat."""
    with Redis.from_url(Settings().redis_url, socket_timeout=5) as connection:
        workers = Worker.all(connection=connection, serializer=JSONSerializer)
        return any(worker.hostname == socket.gethostname() for worker in workers)


if __name__ == "__main__":
    sys.exit(0 if healthy() else 1)
