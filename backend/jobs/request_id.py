"""The id of the request that is answered, or that the job in hand goes back to: for every log line."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)


def request_meta() -> dict[str, Any]:
    """Give what a job that is queued now is told of its request; nothing where there is none."""
    request_id = current_request_id.get()
    return {"request_id": request_id} if request_id else {}


@contextmanager
def for_request(request_id: str | None) -> Iterator[None]:
    """Let log lines name this request meanwhile, as what is done goes back to it."""
    token = current_request_id.set(request_id)
    try:
        yield
    finally:
        current_request_id.reset(token)
