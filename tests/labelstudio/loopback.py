"""An HTTP server on the loopback interface that answers what a test tells it to."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.authority import secure


@dataclass(frozen=True)
class Asked:
    """One request that arrived. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What a path answers.

    Attributes:
        body: its bytes, sent in *pieces* with *pause_s* before each.
        status: the HTTP status.
        headers: besides Content-Length and Connection.
        pieces: how many writes the body takes.
        pause_s: seconds before each.
        reset: break the connection off instead.
        declared_length: a Content-Length other than the body's; below 0 for none.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: int = 1
    pause_s: float = 0
    reset: bool = False
    declared_length: int | None = None


def json_answer(content: object, status: int = 200, **headers: str) -> Answer:
    """*content* as JSON; underscores in the names of *headers* stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps(content).encode(), status, {"Content-Type": "application/json", **named})


def redirect(location: str, status: int = 302) -> Answer:
    """A redirect to *location*."""
    return Answer(status=status, headers={"Location": location})


@dataclass(eq=False)
class Loopback:
    """The running server: ``answers`` by path, and what was ``asked``."""

    port: int
    scheme: str = "http"
    answers: dict[str, Answer | Callable[[Asked], Answer]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [each.path for each in self.asked]

    def answer(self, asked: Asked) -> Answer:
        """Note *asked* and find its answer."""
        self.asked.append(asked)
        found = self.answers.get(asked.path, Answer(b"not here", 404))
        return found if isinstance(found, Answer) else found(asked)


@contextmanager
def loopback(secured: ssl.SSLContext | None = None) -> Iterator[Loopback]:
    """A server on a free port, until the end of the context; *secured*, it speaks https."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        if secured is not None:
            secure(server, secured)
        served = Loopback(server.server_address[1], "https" if secured else "http")
        server.served = served  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.stopping.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answer = self.server.served.answer(Asked(self.command, parts.path, parts.query, headers, body))
        try:
            self._send(answer)
        except OSError:
            self.close_connection = True  # the client has gone: that is what some tests are about

    do_HEAD = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _send(self, answer: Answer) -> None:
        if answer.reset:
            self._reset()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        length = len(answer.body) if answer.declared_length is None else answer.declared_length
        if length >= 0:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command == "HEAD":
            return
        size = max(1, -(-len(answer.body) // answer.pieces))
        for start in range(0, len(answer.body), size):
            self.server.served.stopping.wait(answer.pause_s)
            self.wfile.write(answer.body[start : start + size])

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""
