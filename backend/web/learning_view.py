"""What a project has learned, as the status page shows it: a small chart, and the list of generations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.web.formatting import plural

MOST_BARS = 8
_MOST_ROWS = 12
_SLOT, _BAR, _HEIGHT = 44.0, 26.0, 64.0  # of the chart, in pixels where there is room
_LEAST_FULL = 0.25  # the effort that fills the chart is at least this: little must not look like much


@dataclass(frozen=True)
class Bar:
    """The effort of one generation in the chart.

    Attributes:
        centre: of the bar, from the left.
        top: where it begins, from the chart's top.
        height: of the bar.
        text: the effort, above the bar.
        tick: from how many corrections the generation learned, below the bar; empty if nobody knows any more.
        description: all of it, as a sentence.
        current: whether it is the project's current generation.
    """

    centre: float
    top: float
    height: float
    text: str
    tick: str
    description: str
    current: bool

    @property
    def left(self) -> float:
        """Where it begins, from the left."""
        return self.centre - _BAR / 2

    @property
    def width(self) -> float:
        """Of the bar."""
        return _BAR


@dataclass(frozen=True)
class GenerationRow:
    """One generation in the list.

    Attributes:
        version: its model version.
        made_s_ago: None if nobody knows any more.
        evidence: corrections that it learned from; None if nobody knows any more.
        in_vain: corrections that it has looked at, and that taught nothing that saves work.
        overall: figures of all labels; None if none of its predictions was reviewed.
        labels: figures by label, if there are several.
        current: whether it is the project's current one.
        pinned: whether a person has made it current.
        can_be_current: whether it can be made current again.
        lost: whether that was tried in vain.
    """

    version: str
    made_s_ago: float | None
    evidence: int | None
    in_vain: int
    overall: Mapping[str, Any] | None
    labels: Mapping[str, Mapping[str, Any]]
    current: bool
    pinned: bool
    can_be_current: bool
    lost: bool = False

    @property
    def name(self) -> str:
        """The part of the version that differs."""
        return self.version.rsplit("-", 1)[-1]


@dataclass(frozen=True)
class LearningView:
    """What the page shows of a project's learning.

    Attributes:
        bars: of the chart, the oldest generation first; fewer than two say nothing of learning.
        rows: the generations: the current one, then the newest first.
        reviewed: reviews of all generations.
        evidence: annotations that the current generation learned from.
        excluded: annotations that must not teach.
        problems: why some reviews were not counted.
        can_learn: whether it helps to ask for learning: there is more than the current generation has seen.
        learns_from: corrections that a worker learns from at this moment; 0 if none does.
        learner: the job that does.
    """

    bars: tuple[Bar, ...]
    rows: tuple[GenerationRow, ...]
    reviewed: int
    evidence: tuple[int, ...]
    excluded: tuple[int, ...]
    problems: tuple[str, ...]
    can_learn: bool
    learns_from: int = 0
    learner: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether there is something to see: not while there is only what the first masks taught."""
        told = self.reviewed or self.evidence or self.excluded or self.problems
        return len(self.rows) > 1 or bool(told) or self.can_learn or bool(self.learns_from)

    @property
    def width(self) -> float:
        """Of the chart."""
        return _SLOT * len(self.bars)

    @property
    def height(self) -> float:
        """Of the chart's bars, without the text above and below."""
        return _HEIGHT

    @property
    def summary(self) -> str:
        """The chart in words."""
        return "; ".join(bar.description for bar in self.bars)


def learning_view(learning: Mapping[str, Any], *, now_s: float, learns: bool = True) -> LearningView:
    """Put together what the page shows.

    Args:
        learning: as ``backend.jobs.learning`` gives it.
        now_s: seconds since 1970.
        learns: whether workers learn when a person asks for it.
    """
    rows = _rows(learning, now_s)
    current = next((each for each in learning["generations"] if each["current"]), None)
    evidence = tuple(current["evidence"]) if current else ()
    reviewed = sum(each["overall"]["reviewed"] for each in learning["agreement"])
    learner = learning["learner"]
    return LearningView(
        bars=_bars(learning, rows),
        rows=tuple(rows[:_MOST_ROWS]),
        reviewed=reviewed,
        evidence=evidence,
        excluded=tuple(learning["excluded"]),
        problems=tuple(learning["problems"]),
        can_learn=learns and current is not None and learner is None and _unseen(current, learning) > 0,
        learns_from=learner["corrections"] if learner else 0,
        learner=learner["job"] if learner else None,
    )


def _unseen(current: Mapping[str, Any], learning: Mapping[str, Any]) -> int:
    """Count the reviews that the current generation has not looked at.

    Of what it knows of, some may be no reviews, which is found out by looking; excluded ones it leaves out.
    """
    counted = sum(each["overall"]["reviewed"] for each in learning["agreement"]) + len(learning["problems"])
    return int(min(current["reviewed"], counted) + learning["uncounted"] - current["seen"])


def _rows(learning: Mapping[str, Any], now_s: float) -> list[GenerationRow]:
    """The current one; those that are known, the newest first; those that only their reviews tell of."""
    agreement = {each["model_version"]: each for each in learning["agreement"]}
    known = [
        _row(each["version"], agreement.pop(each["version"], None), each, now_s)
        for each in learning["generations"]
    ]
    forgotten = [_row(version, found, None, now_s) for version, found in reversed(agreement.items())]
    return sorted(known + forgotten, key=lambda row: not row.current)


def _row(
    version: str, agreement: Mapping[str, Any] | None, note: Mapping[str, Any] | None, now_s: float
) -> GenerationRow:
    labels = agreement["labels"] if agreement else {}
    return GenerationRow(
        version,
        made_s_ago=max(0.0, now_s - note["made_at"]) if note else None,
        evidence=len(note["evidence"]) if note else None,
        in_vain=note["in_vain"] if note else 0,
        overall=agreement["overall"] if agreement else None,
        labels=labels if len(labels) > 1 else {},
        current=bool(note and note["current"]),
        pinned=bool(note and note["pinned"]),
        can_be_current=bool(note and not note["current"]),
        lost=bool(note and note["lost"]),
    )


def _bars(learning: Mapping[str, Any], rows: Sequence[GenerationRow]) -> tuple[Bar, ...]:
    by_version = {row.version: row for row in rows}
    measured = [each for each in learning["agreement"] if each["overall"]["effort"] is not None]
    shown = [(by_version[each["model_version"]], each["overall"]) for each in measured[-MOST_BARS:]]
    full = max([_LEAST_FULL, *(overall["effort"] for _, overall in shown)])
    return tuple(
        _bar(row, overall, number, overall["effort"] / full) for number, (row, overall) in enumerate(shown)
    )


def _bar(row: GenerationRow, overall: Mapping[str, Any], number: int, share: float) -> Bar:
    height = max(1.0, round(share * _HEIGHT, 1))
    reviews = plural(overall["reviewed"], "review")
    effort = f"{100 * overall['effort']:.0f} %"
    learned = "" if row.evidence is None else f" learned from {plural(row.evidence, 'correction')},"
    return Bar(
        centre=_SLOT * (number + 0.5),
        top=round(_HEIGHT - height, 1),
        height=height,
        text=effort,
        tick="" if row.evidence is None else str(row.evidence),
        description=f"{row.name}:{learned} {effort} of the work left in {reviews}",
        current=row.current,
    )
