"""Retry-After as servers write it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from backend.labelstudio.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("999999", 3600),
        ("-3", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_seconds_are_read_and_bounded(value: str | None, seconds: float | None) -> None:
    assert retry_after_s(value) == seconds


def test_a_date_is_counted_from_now() -> None:
    later = datetime.now(UTC) + timedelta(seconds=100)

    assert retry_after_s(format_datetime(later, usegmt=True)) == pytest.approx(100, abs=5)


def test_a_date_in_the_past_is_now() -> None:
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
