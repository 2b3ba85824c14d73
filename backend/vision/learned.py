"""What reviewed images taught: a small value that goes from worker to worker as JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from backend.vision.errors import LearnedError
from backend.vision.evidence import Weights

FORMAT = 1


@dataclass(frozen=True)
class Lesson:
    """What reviews taught about one label.

    Attributes:
        weights: how much each cue counts in company, for this label; its bias holds the level of acceptance,
            too.
    """

    weights: Weights


@dataclass(frozen=True)
class Learned:
    """What reviews taught, by label; a label without a lesson is judged as ever."""

    lessons: Mapping[str, Lesson] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write it down; the same for the same lessons, whatever their order."""
        return json.dumps(
            {"format": FORMAT, "lessons": {label: asdict(one) for label, one in self.lessons.items()}},
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Learned":
        """Read what ``to_json`` wrote.

        Raises:
            LearnedError: it is anything else; refit in its place.
        """
        try:
            found = json.loads(text)
        except ValueError as exc:
            raise LearnedError(f"lessons: expected JSON, got {exc}; learn anew") from exc
        entries = _entries(found, {"format", "lessons"}, "lessons")
        if entries["format"] != FORMAT:
            raise LearnedError(f"lessons: expected format {FORMAT}, got {entries['format']!r}; learn anew")
        if not isinstance(entries["lessons"], dict):
            raise LearnedError(
                f"lessons: expected an object by label, got {entries['lessons']!r}; learn anew"
            )
        return cls({label: _lesson(one, label) for label, one in entries["lessons"].items()})


NOTHING = Learned()


def _lesson(found: Any, label: str) -> Lesson:  # noqa: ANN401 - unchecked JSON
    """One label's."""
    entries = _entries(found, {one.name for one in fields(Lesson)}, f"lesson {label!r}")
    weights = _entries(entries["weights"], {one.name for one in fields(Weights)}, f"weights of {label!r}")
    return Lesson(Weights(**{name: _number(value, name, label) for name, value in weights.items()}))


def _entries(found: Any, names: set[str], what: str) -> dict[str, Any]:  # noqa: ANN401 - unchecked JSON
    """An object with these entries and no others."""
    if not isinstance(found, dict) or set(found) != names:
        got = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise LearnedError(f"{what}: expected an object with {sorted(names)}, got {got}; learn anew")
    return found


def _number(value: Any, name: str, label: str) -> float:  # noqa: ANN401 - unchecked JSON
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LearnedError(f"{name} of {label!r}: expected a finite number, got {value!r}; learn anew")
    return float(value)
