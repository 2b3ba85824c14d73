"""Small pictures for the status page: workers draw them, the web process hands them out as they are.

They are few and small, live in Redis for a while, and are drawn anew where they are lost.
"""

from collections.abc import Mapping
from typing import cast

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE, ProjectKeys

MOST_TASKS = 12  # of a project: the last ones
MOST_REFERENCES = 12
MOST_BYTES = 64 * 1024  # of one picture; what is larger is not kept
TASKS_TO_LIVE_S = 7 * 24 * 3600

# KEYS: the project, its pictures, when each came. ARGV: model version, task id, picture, how many are kept,
# seconds to live. Returns 1, or 0 if the project has moved on to another generation.
_PUT_TASK = """
if redis.call('HGET', KEYS[1], 'model_version') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[2], 'version') ~= ARGV[1] then
  redis.call('UNLINK', KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[2], 'version', ARGV[1])
end
local t = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[3], tonumber(t[1]) + tonumber(t[2]) / 1e6, ARGV[2])
for _, old in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1 - ARGV[4])) do
  redis.call('HDEL', KEYS[2], old)
  redis.call('ZREM', KEYS[3], old)
end
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('EXPIRE', KEYS[3], ARGV[5])
return 1
"""


class Pictures:
    """Stores and gives JPEG files: of each project's references, and of the last tasks that were finished."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection
        self._put_task = connection.register_script(_PUT_TASK)

    def put_task(self, project_id: int, model_version: str, task_id: int, picture: bytes) -> bool:
        """Keep the picture of a task, and drop the oldest if there are too many.

        Returns:
            False if it is not kept: the project has another generation by now, or the picture is too large.
        """
        if len(picture) > MOST_BYTES:
            return False
        with redis_errors():
            return bool(
                self._put_task(
                    keys=[ProjectKeys(project_id).project, _tasks_key(project_id), times_key(project_id)],
                    args=[model_version, task_id, picture, MOST_TASKS, TASKS_TO_LIVE_S],
                )
            )

    def put_references(self, project_id: int, pictures: Mapping[tuple[int, str], bytes]) -> None:
        """Keep these pictures of references, by annotation and label, and no others."""
        key = references_key(project_id)
        fitting = [(name, picture) for name, picture in pictures.items() if len(picture) <= MOST_BYTES]
        with redis_errors(), self._connection.pipeline() as pipe:
            pipe.unlink(key)
            for (annotation_id, label), picture in fitting[:MOST_REFERENCES]:
                pipe.hset(key, reference_field(annotation_id, label), cast("str", picture))  # bytes go, too
            pipe.expire(key, SECONDS_TO_LIVE)
            pipe.execute()

    def task(self, project_id: int, task_id: int) -> bytes | None:
        """Give the picture of a task, if it is kept."""
        return self._get(_tasks_key(project_id), str(task_id))

    def reference(self, project_id: int, annotation_id: int, label: str) -> bytes | None:
        """Give the picture of the reference of a label, if it is kept."""
        return self._get(references_key(project_id), reference_field(annotation_id, label))

    def _get(self, key: str, field: str) -> bytes | None:
        with redis_errors():
            return cast("bytes | None", self._connection.hget(key, field))


def _tasks_key(project_id: int) -> str:
    return f"oneshot:pictures:{project_id}"


def times_key(project_id: int) -> str:
    """Name the sorted set of the tasks that have a picture, by when it came."""
    return f"oneshot:pictures-at:{project_id}"


def references_key(project_id: int) -> str:
    """Name the hash of the pictures of a project's references."""
    return f"oneshot:reference-pictures:{project_id}"


def reference_field(annotation_id: int, label: str) -> str:
    """Name one of them in the hash."""
    return f"{annotation_id}:{label}"
