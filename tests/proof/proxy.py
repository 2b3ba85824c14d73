"""A proxy before Label Studio that answers badly, now and then, in the ways that networks have."""

import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.authority import secure

FAULTS = ("500", "429", "hang", "half", "lost answer")
HANG_S = 4.0
RETRY_AFTER_S = 1
_NOT_PASSED_ON = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class Proxy(ThreadingHTTPServer):
    """Passes requests on to Label Studio, but for some.

    Args:
        url: Label Studio's.
        seed: of what goes wrong when.
        tls: with it, the proxy speaks https.

    Attributes:
        share: of the requests that go wrong, in [0, 1].
        happened: how often each fault was there.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, url: str, *, seed: int, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            secure(self, tls)
        self.target = urlsplit(url).netloc
        self.share = 0.0
        self.happened: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def next_fault(self) -> str | None:
        """What goes wrong with the next request; None: nothing."""
        with self._lock:
            if self._random.random() >= self.share:
                return None
            fault = self._random.choice(FAULTS)
            self.happened[fault] += 1
            return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody needs to read that a client has given up."""


@contextmanager
def serve(proxy: Proxy) -> Iterator[Proxy]:
    """Answer requests until the block is left."""
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_GET(self) -> None:
        fault = self.server.next_fault()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault == "hang":
            time.sleep(HANG_S)
            self.close_connection = True
        elif fault in ("500", "429"):
            self._reply(int(fault), {"Retry-After": str(RETRY_AFTER_S)} if fault == "429" else {}, b"{}")
        else:
            self._pass_on(fault, body)

    do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names of http.server

    def _pass_on(self, fault: str | None, body: bytes) -> None:
        connection = HTTPConnection(self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_PASSED_ON}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException):
            self._reply(502, {}, b"Bad Gateway")
            return
        finally:
            connection.close()
        if fault == "lost answer":
            self._hang_up()
            return
        self._reply(answer.status, _passed_on(answer), content, half=fault == "half")

    def _reply(self, status: int, headers: dict[str, str], content: bytes, *, half: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if half:
            self.wfile.write(content[: len(content) // 2])
            self._hang_up()
        else:
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def _passed_on(answer: HTTPResponse) -> dict[str, str]:
    return {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED_ON}
