"""What a person should know before trusting a project's predictions, in sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_NAMED = 10


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


def enumerated(names: Sequence[str]) -> str:
    """Name two or more, or the first of many and how many more there are: ``a, b and c``."""
    if len(names) > _MOST_NAMED:
        names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    return f"{', '.join(names[:-1])} and {names[-1]}"
