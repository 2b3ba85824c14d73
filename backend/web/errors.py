"""What is wrong with a request, and how every error becomes an answer: a status and ``{"error": ...}``.

::

    RequestError
    ├── BodyError
    ├── FieldError
    └── SwitchedOffError

A browser gets the same sentence as a page. Nobody gets a traceback: those go to the log.
"""

from http import HTTPStatus

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from backend.jobs.errors import JobsError, QueueUnavailableError


class RequestError(Exception):
    """A request that is not what Label Studio sends, or that cannot be granted."""

    status = HTTPStatus.BAD_REQUEST


class BodyError(RequestError):
    """The body is not a JSON object."""


class FieldError(RequestError):
    """A field of the body is missing, or is not what it should be."""


class SwitchedOffError(RequestError):
    """What is asked for is switched off by a setting."""

    status = HTTPStatus.CONFLICT


def register_error_handlers(app: Flask) -> None:
    """Let *app* answer all errors in our way."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(JobsError, _jobs_error)
    app.register_error_handler(HTTPException, _http_error)


def _request_error(error: RequestError) -> Response:
    return _answer(error.status, str(error))


def _jobs_error(error: JobsError) -> Response:
    gone = isinstance(error, QueueUnavailableError)
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE if gone else HTTPStatus.BAD_REQUEST, str(error))


def _http_error(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if isinstance(error, RequestEntityTooLarge):
        most = request.max_content_length or 0
        return _answer(
            status, f"expected a body of at most {most} bytes, got a larger one; select fewer tasks"
        )
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _answer(status, "an error of this program; its log says more")
    response = _answer(status, error.description or status.phrase)
    if allowed := error.get_response().headers.get("Allow"):
        response.headers["Allow"] = allowed
    return response


def _answer(status: HTTPStatus, message: str) -> Response:
    if prefers_html():
        response = Response(render_template("error.html", status=status, message=message))
    else:
        response = jsonify(error=message)
    response.status_code = status
    return response


def prefers_html() -> bool:
    """Whether a browser asks. Label Studio takes anything, and gets JSON."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
