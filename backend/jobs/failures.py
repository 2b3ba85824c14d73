"""Failures by reason: what a person wants to know of many tasks that failed for a few reasons."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_MOST_REASONS = 20
_MOST_TASKS = 12  # named per reason
_SPECIFIC = re.compile(
    r"'[^']*'|\"[^\"]*\"|\S*[/\\]\S*|\d+(?:\.\d+)?"
)  # quoted, a path or an address, a number


def failures_by_reason(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Group failed tasks by reason, the most frequent first.

    Reasons that differ only in numbers, addresses or quoted words are one.

    Args:
        tasks: each with ``id``, ``state`` and ``reason``, the last failed first; those that did not fail
            are left out.

    Returns:
        ``reason`` of the last of them, ``count``, and ``tasks``: the ids of the last ones.
    """
    groups: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if task["state"] != "failed":
            continue
        reason = task["reason"] or "no reason was noted"
        group = groups.setdefault(_SPECIFIC.sub("…", reason), {"reason": reason, "count": 0, "tasks": []})
        group["count"] += 1
        if len(group["tasks"]) < _MOST_TASKS:
            group["tasks"].append(task["id"])
    return sorted(groups.values(), key=lambda group: -group["count"])[:_MOST_REASONS]
