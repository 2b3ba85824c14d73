"""Ten thousand failures are a handful of reasons."""

from typing import Any

from backend.jobs.failures import failures_by_reason


def failed(task_id: int, reason: str | None) -> dict[str, Any]:
    """A task that failed, as the snapshot has it."""
    return {"id": task_id, "state": "failed", "reason": reason}


def test_reasons_that_differ_in_their_particulars_are_one() -> None:
    """The reason of the last one stands for all; tasks that did not fail do not count."""
    groups = failures_by_reason(
        [
            failed(3, "http://images.test/3.jpg answered 404"),
            {"id": 9, "state": "done", "reason": None},
            failed(2, "expected an image, got 'text/html'"),
            failed(1, "https://images.test/a/1.jpg answered 404"),
            failed(4, "http://images.test/3.jpg answered 500.5"),
        ]
    )

    assert groups == [
        {"reason": "http://images.test/3.jpg answered 404", "count": 3, "tasks": [3, 1, 4]},
        {"reason": "expected an image, got 'text/html'", "count": 1, "tasks": [2]},
    ]


def test_only_some_tasks_and_reasons_are_named() -> None:
    words = [f"{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(50)]
    tasks = [failed(number, "the same") for number in range(1, 101)]

    groups = failures_by_reason([*tasks, *(failed(1000, f"reason {word}") for word in words)])

    assert (groups[0]["count"], len(groups[0]["tasks"])) == (100, 12)
    assert len(groups) == 20


def test_a_failure_without_a_reason_is_told_all_the_same() -> None:
    assert failures_by_reason([failed(1, None)])[0]["reason"] == "no reason was noted"
