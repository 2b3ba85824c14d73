"""What a person should know before trusting a project's predictions, in sentences."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MOST_NAMED = 10
_MOST_LIMITS = 3
_MOST_PASSED_OVER = 3
_ONLY_POLYGONS = re.compile(
    r"they became polygons of (?!.*one mask of all)"
)  # as labelstudio.outputs says it


def weak_references(references: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which labels have a weak reference, and what helps, in one sentence or none.

    Args:
        references: notes of references; one that an older version wrote may lack ``weak``.
    """
    labels = [repr(each["label"]) for each in references if each.get("weak")]
    if not labels:
        return []
    subject, pronoun = (
        (f"The reference of {labels[0]} is", "it from its")
        if len(labels) == 1
        else (f"The references of {enumerated(labels)} are", "them from their")
    )
    warning = (
        f"{subject} weak: the semantic encoder cannot tell {pronoun} background, so what is found rests on "
        "SAM's features alone. Paint another object, or one with more detail."
    )
    return [warning]


def small_references(references: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say whose objects are smaller than the bound on tiles allows for, in one sentence or none.

    Args:
        references: notes of references; one that an older version wrote may lack ``small``.
    """
    labels = [repr(each["label"]) for each in references if each.get("small")]
    if not labels:
        return []
    whose = labels[0] if len(labels) == 1 else enumerated(labels)
    warning = (
        f"The objects of {whose} are so small that more tiles would show them better: some may be missed. "
        "Raise ONESHOT_MAX_TILES if that matters more than speed."
    )
    return [warning]


def passed_over(refusals: Sequence[str], count: int) -> list[str]:
    """Say which annotations are no references though a person made them, and why: a sentence for each.

    Args:
        refusals: of some of these annotations.
        count: of all of them; beyond a few they are counted only.
    """
    told = [each.rstrip(".") for each in refusals[:_MOST_PASSED_OVER]]
    more = count - len(told)
    if more:
        told.append(f"{more} more annotation{'' if more == 1 else 's'}")
    return [f"Not used as a reference: {each}." for each in told]


def limited_searches(count: int, tasks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say in how many tasks a bound was reached, and which bounds, in one sentence or none.

    Args:
        count: of all such tasks.
        tasks: entries of some tasks, each with its ``limits``; the most frequent of these are told.
    """
    if not count:
        return []
    limits = Counter(limit.rstrip(".") for task in tasks for limit in task["limits"])
    redrawn = Counter({limit: times for limit, times in limits.items() if _ONLY_POLYGONS.search(limit)})
    lossy, harmless = (
        "; ".join(limit for limit, _ in some.most_common(_MOST_LIMITS))
        for some in (limits - redrawn, redrawn)
    )
    where = f"In {count} task{'' if count == 1 else 's'} a bound was reached"
    if not lossy and harmless:
        return [f"{where}: {harmless}."]
    more = f"; or are only drawn otherwise: {harmless}" if harmless else ""
    return [f"{where}, so things may be missing or joined: {lossy}{more}."]


def enumerated(names: Sequence[str]) -> str:
    """Name two or more, or the first of many and how many more there are: ``a, b and c``."""
    if len(names) > _MOST_NAMED:
        names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    return f"{', '.join(names[:-1])} and {names[-1]}"
