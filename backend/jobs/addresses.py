"""Where browsers find Label Studio: it says so itself when it connects the backend."""

from typing import cast

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE

_LABEL_STUDIO = "oneshot:label-studio"


class Addresses:
    """Keeps the address for all web processes."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def note_label_studio(self, url: str) -> None:
        """Keep what Label Studio says of itself."""
        with redis_errors():
            self._connection.set(_LABEL_STUDIO, url, ex=SECONDS_TO_LIVE)

    def label_studio(self) -> str | None:
        """Give what it said last, if it ever did."""
        with redis_errors():
            url = cast("bytes | None", self._connection.get(_LABEL_STUDIO))
        return url.decode() if url else None
