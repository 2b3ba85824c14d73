"""The id of the request that is answered, or that the job in hand goes back to: for every log line."""

from contextvars import ContextVar
from typing import Any

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)


def request_meta() -> dict[str, Any]:
    """Give what a job that is queued now is told of its request; nothing where there is none."""
    request_id = current_request_id.get()
    return {"request_id": request_id} if request_id else {}
