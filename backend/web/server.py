"""The WSGI server around the application."""

import signal
import sys
from types import FrameType
from typing import Any

from flask import Flask
from waitress.server import create_server

from backend.web.app import MAX_BODY_BYTES

_THREADS = 12  # each waits for Redis only
_MAX_CONNECTIONS = 500


def listen(app: Flask, *, host: str, port: int) -> Any:  # noqa: ANN401 - waitress has no types
    """Open the port; the server returned answers once it runs.

    Raises:
        OSError: the address cannot be listened on.
    """
    return create_server(
        app,
        host=host,
        port=port,
        threads=_THREADS,
        connection_limit=_MAX_CONNECTIONS,
        max_request_body_size=MAX_BODY_BYTES + 1,  # so that the application answers, in its words
        ident="oneshot",
    )


def end_on_sigterm() -> None:
    """Let SIGTERM end this process like Ctrl-C, after what was begun, also as the first of a container."""
    signal.signal(signal.SIGTERM, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
