"""The id of the request that is answered, or that the job in hand goes back to: for every log line."""

from contextvars import ContextVar

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
