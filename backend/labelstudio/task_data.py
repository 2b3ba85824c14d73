"""What a task's data holds under a key of the label config: ``image``, ``photo.url``, ``photos[0]``."""

import re
from collections.abc import Mapping
from typing import Any

from backend.labelstudio.errors import FetchRefusedError

_MOST_TOLD = 80  # characters of a value
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


def image_address(task_data: Mapping[str, Any], key: str) -> str:
    """The address of an image under *key*.

    Args:
        task_data: of the task.
        key: as ``task_value`` takes it; ``pages[1]`` is one of a list.

    Raises:
        FetchRefusedError: there is none; says what there is.
    """
    found = task_value(task_data, key)
    if isinstance(found, str) and found:
        return found
    told = f"the address of an image under {key!r} in the task's data, got {found!r:.{_MOST_TOLD}}"
    holder = key.rpartition("[")[0] if key.endswith("]") else ""
    whole = task_value(task_data, holder)
    if holder and not (isinstance(whole, list) and whole):
        told = f"a list of images' addresses under {holder!r} in the task's data, got {whole!r:.{_MOST_TOLD}}"
    raise FetchRefusedError(
        f"expected {told}; correct the task's data or the Image's value in the label config"
    )


def _inside(value: object, step: str) -> object:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
        return value[int(step)]
    return None
