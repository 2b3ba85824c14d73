"""What reviews have taught a set of one shots, as it goes from worker to worker."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backend.vision.errors import LearnedError
from backend.vision.learned import NOTHING, Learned


@dataclass(frozen=True)
class Taught:
    """What the reviews of a project taught.

    Attributes:
        learned: weights, for the core.
        more: label and annotation of the references that came from them.
    """

    learned: Learned = NOTHING
    more: tuple[tuple[str, int], ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether predictions come out as if there were no reviews."""
        return self.learned == NOTHING and not self.more

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps({"learned": self.learned.to_json(), "more": [list(each) for each in self.more]})

    @classmethod
    def from_json(cls, text: str) -> "Taught":
        """Read what ``to_json`` wrote.

        Raises:
            LearnedError: it is anything else; learn anew.
        """
        try:
            found = json.loads(text)
        except ValueError as exc:
            raise LearnedError(f"what was taught: expected JSON, got {exc}; learn anew") from exc
        if not isinstance(found, dict) or set(found) != {"learned", "more"}:
            raise LearnedError("what was taught: expected an object with 'learned' and 'more'; learn anew")
        return cls(Learned.from_json(_text(found["learned"])), _names(found["more"]))


def _text(found: Any) -> str:  # noqa: ANN401 - unchecked JSON
    if not isinstance(found, str):
        raise LearnedError(f"what was learned: expected a text, got {type(found).__name__}; learn anew")
    return found


def _names(found: Any) -> tuple[tuple[str, int], ...]:  # noqa: ANN401 - unchecked JSON
    pairs = found if isinstance(found, list) else [found]
    if not all(_is_name(each) for each in pairs):
        raise LearnedError("more references: expected pairs of a label and an annotation; learn anew")
    return tuple((label, annotation) for label, annotation in pairs)


def _is_name(found: Any) -> bool:  # noqa: ANN401 - unchecked JSON
    return (
        isinstance(found, Sequence)
        and len(found) == 2
        and isinstance(found[0], str)
        and isinstance(found[1], int)
        and not isinstance(found[1], bool)
    )
