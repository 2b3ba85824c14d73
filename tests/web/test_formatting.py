"""Numbers as people read them."""

import pytest

from backend.web.formatting import duration, megabytes, plural, rate


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3540, "59 min"),
        (3599, "1 h"),
        (7500, "2 h 5 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("per_minute", "told"),
    [(0.3, "18 an hour"), (2.25, "2.2 a minute"), (41.4, "41 a minute"), (1234, "1\u202f234 a minute")],
)
def test_rates(per_minute: float, told: str) -> None:
    assert rate(per_minute) == told


def test_sizes_and_counts() -> None:
    assert [megabytes(size) for size in (812_300_000, 1_260_000_000)] == ["812 MB", "1.3 GB"]
    assert [plural(count, "task") for count in (0, 1, 1200)] == ["0 tasks", "1 task", "1\u202f200 tasks"]
