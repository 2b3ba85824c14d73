"""An id for every request: in each of its log lines, in its answer, and in the jobs that it leads to."""

import re
from uuid import uuid4

from flask import Flask, request
from werkzeug.wrappers import Response

from backend.jobs.request_id import current_request_id

HEADER = "X-Request-ID"
_TAKEN = re.compile(r"[\w.:+/=@-]{1,128}", re.ASCII)  # what comes from outside goes into logs


def number_requests(app: Flask) -> None:
    """Let *app* take each request's id from ``X-Request-ID``, or make one."""
    app.before_request(_begin)
    app.after_request(_answer)
    app.teardown_request(_end)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    current_request_id.set(given if _TAKEN.fullmatch(given) else uuid4().hex)


def _answer(response: Response) -> Response:
    response.headers[HEADER] = current_request_id.get() or ""
    return response


def _end(_: BaseException | None) -> None:
    current_request_id.set(None)
