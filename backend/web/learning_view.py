"""What a project has learned, as the status page shows it: small charts, and the list of generations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.web.agreement_chart import Chart, Column, charts, kept_share

MOST_COLUMNS = 8  # of a chart
_MOST_CHARTS = 6  # of labels that are shown before somebody asks for more
_MOST_ROWS = 12


@dataclass(frozen=True)
class GenerationRow:
    """One generation in the list.

    Attributes:
        version: its model version.
        made_s_ago: None if nobody knows any more.
        evidence: corrections that it learned from; None if nobody knows any more.
        in_vain: corrections that it has looked at, and that taught nothing that saves work.
        overall: figures of all labels; None if none of its predictions was reviewed.
        labels: figures by label.
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

    @property
    def kept_share(self) -> float | None:
        """The share of the predicted regions that people left as they were."""
        return kept_share(self.overall) if self.overall else None


@dataclass(frozen=True)
class Teacher:
    """An annotation that teaches, or must not.

    Attributes:
        annotation: its id.
        task: its task's; None if nobody knows it any more.
    """

    annotation: int
    task: int | None


@dataclass(frozen=True)
class LearningView:
    """What the page shows of a project's learning.

    Attributes:
        chart: of all labels; None if nothing was reviewed.
        label_charts: of each label, if there are several.
        rows: the generations: the current one, then the newest first.
        reviewed: reviews of all generations.
        teachers: annotations that the current generation learned from.
        excluded: annotations that must not teach.
        problems: why some reviews were not counted.
        can_learn: whether it helps to ask for learning: there is more than the current generation has seen.
        learns_from: corrections that a worker learns from at this moment; 0 if none does.
        learner: the job that does.
    """

    chart: Chart | None
    label_charts: tuple[Chart, ...]
    rows: tuple[GenerationRow, ...]
    reviewed: int
    teachers: tuple[Teacher, ...]
    excluded: tuple[Teacher, ...]
    problems: tuple[str, ...]
    can_learn: bool
    learns_from: int = 0
    learner: str | None = None

    @property
    def most_charts(self) -> int:
        """How many of the labels are shown before somebody asks for more."""
        return _MOST_CHARTS

    @property
    def excluded_ids(self) -> frozenset[int]:
        """Of the annotations that must not teach."""
        return frozenset(each.annotation for each in self.excluded)

    @property
    def is_shown(self) -> bool:
        """Whether there is something to see: not while there is only what the first masks taught."""
        told = self.reviewed or self.teachers or self.excluded or self.problems
        return len(self.rows) > 1 or bool(told) or self.can_learn or bool(self.learns_from)


def learning_view(learning: Mapping[str, Any], *, now_s: float, learns: bool = True) -> LearningView:
    """Put together what the page shows.

    Args:
        learning: as ``backend.jobs.learning`` gives it.
        now_s: seconds since 1970.
        learns: whether workers learn when a person asks for it.
    """
    rows = _rows(learning, now_s)
    current = next((each for each in learning["generations"] if each["current"]), None)
    reviewed = sum(each["overall"]["reviewed"] for each in learning["agreement"])
    learner, drawn = learning["learner"], charts(_columns(learning, rows))
    return LearningView(
        chart=drawn[0] if drawn else None,
        label_charts=drawn[1] if drawn else (),
        rows=tuple(rows[:_MOST_ROWS]),
        reviewed=reviewed,
        teachers=_teachers(current["evidence"] if current else (), learning),
        excluded=_teachers(learning["excluded"], learning),
        problems=tuple(learning["problems"]),
        can_learn=learns and current is not None and learner is None and _unseen(current, learning) > 0,
        learns_from=learner["corrections"] if learner else 0,
        learner=learner["job"] if learner else None,
    )


def _teachers(annotations: Iterable[int], learning: Mapping[str, Any]) -> tuple[Teacher, ...]:
    return tuple(Teacher(each, learning["tasks"].get(str(each))) for each in annotations)


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
        labels=labels,
        current=bool(note and note["current"]),
        pinned=bool(note and note["pinned"]),
        can_be_current=bool(note and not note["current"]),
        lost=bool(note and note["lost"]),
    )


def _columns(learning: Mapping[str, Any], rows: Sequence[GenerationRow]) -> list[Column]:
    """Give the last generations of which something was reviewed, and the current one, the oldest first."""
    by_version = {row.version: row for row in rows}
    measured = [each for each in learning["agreement"] if each["overall"]["effort"] is not None]
    shown = measured[-MOST_COLUMNS:]
    current = [each for each in measured if by_version[each["model_version"]].current]
    if current and current[0] not in shown:
        shown = [*current, *shown[1:]]
    found = [(by_version[each["model_version"]], each) for each in shown]
    return [
        Column(row.name, row.evidence, row.current, each["overall"], each["labels"]) for row, each in found
    ]
