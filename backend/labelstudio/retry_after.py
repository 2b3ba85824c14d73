"""The HTTP header by which an overloaded server says when to come back."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_S = 3600.0


def retry_after_s(value: str | None) -> float | None:
    """Seconds that the header's *value* asks to wait, at most an hour; None if it says nothing."""
    if not value:
        return None
    seconds = float(value) if value.strip().isdecimal() else _seconds_until(value)
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_S)


def _seconds_until(date: str) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
