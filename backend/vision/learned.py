"""What reviewed images taught: a small value that goes from worker to worker as JSON."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from backend.vision.box_regression import BoxRegression
from backend.vision.edge_regression import EdgeRegression
from backend.vision.errors import LearnedError
from backend.vision.evidence import Cues, Weights
from backend.vision.inset import INSETS
from backend.vision.parts import Part
from backend.vision.taste import Taste

FORMAT = 8


@dataclass(frozen=True)
class Lesson:
    """What reviews taught about one label.

    Attributes:
        weights: how much each cue counts in company; the bias holds the level of acceptance, too.
        taste: what tells confirmed ones from deleted ones; None if nothing does.
        prompt: with which points bring the things out better, see ``prompt_tuning``, C numbers; None: with
            none.
        redrawn: whether outlines are drawn once more, as without a lesson; else fewer are mended as they are.
        outline: with which they are then drawn better, C numbers; None: with none.
        boxes: where around a place its thing lies: SAM is given that box; None: a point.
        inset: how far outlines are moved inwards in the end, in low-resolution pixels, one of ``INSETS``.
        edges: where people see the edge along an outline: it is moved there last of all; None: it stays.
    """

    weights: Weights
    taste: Taste | None = None
    prompt: tuple[float, ...] | None = None
    redrawn: bool = True
    outline: tuple[float, ...] | None = None
    boxes: BoxRegression | None = None
    inset: float = 0.0
    edges: EdgeRegression | None = None

    def evidence(self, cues: Cues, vectors: Tensor | None) -> Tensor:
        """Weigh n candidates, (n,) float in [0, 1].

        Args:
            cues: in company.
            vectors: their unit semantic vectors, (n, D) float; None where nothing was looked at.

        Raises:
            LearnedError: it was learned with another encoder.
        """
        logits = self.weights.logits(cues)
        if self.taste and vectors is not None:
            logits = logits + self.taste.weight * self.taste.values(vectors)
        return torch.sigmoid(logits)

    def neutral(self, without: Collection[Part]) -> "Lesson":
        """The same without these cues; looks say nothing without ``likeness``."""
        taste = None if "likeness" in without else self.taste
        return replace(self, weights=self.weights.neutral(without), taste=taste)


@dataclass(frozen=True)
class Learned:
    """What reviews taught, by label; a label without a lesson is judged as ever."""

    lessons: Mapping[str, Lesson] = field(default_factory=dict)

    def fits(self, channels: int) -> None:
        """Check that the prompts were tuned for a SAM of that many channels.

        Raises:
            LearnedError: one was not.
        """
        for label, prompt in [*self.prompts().items(), *self.outlines().items()]:
            if len(prompt) != channels:
                raise LearnedError(
                    f"prompt of {label!r}: expected {channels} numbers as this SAM has channels, got "
                    f"{len(prompt)}; learn anew with it"
                )

    def redraws(self, label: str) -> bool:
        """Whether the outlines of a label are drawn once more."""
        return label not in self.lessons or self.lessons[label].redrawn

    def prompts(self) -> dict[str, Tensor]:
        """The prompts that were tuned for points, by label, (C,) float each."""
        return {label: torch.tensor(one.prompt) for label, one in self.lessons.items() if one.prompt}

    def outlines(self) -> dict[str, Tensor]:
        """The prompts that were tuned for outlines, by label, (C,) float each."""
        return {label: torch.tensor(one.outline) for label, one in self.lessons.items() if one.outline}

    def boxes(self) -> dict[str, BoxRegression]:
        """Where around a place its thing lies, by label."""
        return {label: one.boxes for label, one in self.lessons.items() if one.boxes}

    def inset(self, label: str) -> float:
        """How far the outlines of a label are moved inwards, in low-resolution pixels."""
        return self.lessons[label].inset if label in self.lessons else 0.0

    def edges(self) -> dict[str, EdgeRegression]:
        """Where people see the edge along an outline, by label."""
        return {label: one.edges for label, one in self.lessons.items() if one.edges}

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
    return Lesson(
        Weights(**{name: _number(value, name, label) for name, value in weights.items()}),
        None if entries["taste"] is None else _taste(entries["taste"], label),
        None if entries["prompt"] is None else _numbers(entries["prompt"], "prompt", label),
        _flag(entries["redrawn"], "redrawn", label),
        None if entries["outline"] is None else _numbers(entries["outline"], "outline", label),
        None if entries["boxes"] is None else _boxes(entries["boxes"], label),
        _inset(entries["inset"], label),
        None if entries["edges"] is None else _edges(entries["edges"], label),
    )


def _edges(found: Any, label: str) -> EdgeRegression:  # noqa: ANN401 - unchecked JSON
    """One label's."""
    names = [one.name for one in fields(EdgeRegression)]
    entries = _entries(found, set(names), f"edges of {label!r}")
    return EdgeRegression(*(_numbers(entries[name], name, label) for name in names))


def _boxes(found: Any, label: str) -> BoxRegression:  # noqa: ANN401 - unchecked JSON
    """One label's."""
    names = [one.name for one in fields(BoxRegression)]
    entries = _entries(found, set(names), f"boxes of {label!r}")
    return BoxRegression(*(_numbers(entries[name], name, label) for name in names))


def _taste(found: Any, label: str) -> Taste:  # noqa: ANN401 - unchecked JSON
    """One label's."""
    entries = _entries(found, {one.name for one in fields(Taste)}, f"taste of {label!r}")
    return Taste(
        _numbers(entries["direction"], "direction", label),
        _number(entries["middle"], "middle", label),
        _number(entries["weight"], "weight", label),
    )


def _entries(found: Any, names: set[str], what: str) -> dict[str, Any]:  # noqa: ANN401 - unchecked JSON
    """An object with these entries and no others."""
    if not isinstance(found, dict) or set(found) != names:
        got = sorted(found) if isinstance(found, dict) else type(found).__name__
        raise LearnedError(f"{what}: expected an object with {sorted(names)}, got {got}; learn anew")
    return found


def _inset(value: Any, label: str) -> float:  # noqa: ANN401 - unchecked JSON
    """One of ``INSETS``."""
    found = _number(value, "inset", label)
    if found not in INSETS:
        known = ", ".join(f"{one:g}" for one in INSETS)
        raise LearnedError(f"inset of {label!r}: expected one of {known}, got {value!r}; learn anew")
    return found


def _flag(value: Any, name: str, label: str) -> bool:  # noqa: ANN401 - unchecked JSON
    """True or false."""
    if not isinstance(value, bool):
        raise LearnedError(f"{name} of {label!r}: expected true or false, got {value!r}; learn anew")
    return value


def _numbers(value: Any, name: str, label: str) -> tuple[float, ...]:  # noqa: ANN401 - unchecked JSON
    """A list of finite numbers."""
    if not isinstance(value, list):
        raise LearnedError(f"{name} of {label!r}: expected a list, got {value!r}; learn anew")
    return tuple(_number(one, name, label) for one in value)


def _number(value: Any, name: str, label: str) -> float:  # noqa: ANN401 - unchecked JSON
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LearnedError(f"{name} of {label!r}: expected a finite number, got {value!r}; learn anew")
    return float(value)
