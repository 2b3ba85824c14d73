"""What a task's data holds under a key of the label config: ``image``, ``photo.url``, ``photos[0]``."""

import re
from collections.abc import Mapping
from typing import Any

_STEPS = re.compile(r"[^.\[\]]+")
_INDEX = re.compile(r"[0-9]{1,6}")


def task_value(task_data: Mapping[str, Any], key: str) -> object:
    """The value under *key*, which may lead into objects and lists, as Label Studio's editor reads it.

    Args:
        task_data: of the task.
        key: of the label config, without the dollar sign.

    Returns:
        The value, whatever it is; None where there is none.
    """
    if key in task_data:
        return task_data[key]
    steps = _STEPS.findall(key)
    found: object = task_data if steps else None
    for step in steps:
        found = _inside(found, step)
    return found


def _inside(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
        return value[int(step)]
    return None
