"""Small charts of what people made of the predictions: one for all labels, one for each; all alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.web.formatting import NOTHING, decimal, percent, plural

_SLOT, _BAR, _FULL = 44.0, 26.0, 34.0  # of one generation, and the highest bar, in pixels where there is room
_LEAST_WIDTH = 150.0  # for the words
_LEAST_FULL_EFFORT = 0.25  # the effort that fills the chart is at least this: little must not look like much
_WORDS = 17.0  # a line of them
_GAP = 10.0


@dataclass(frozen=True)
class Column:
    """A generation whose predictions were reviewed.

    Attributes:
        name: of the generation.
        evidence: corrections that it learned from; None if nobody knows any more.
        current: whether it is the project's current one.
        overall: figures of all labels.
        labels: figures by label.
    """

    name: str
    evidence: int | None
    current: bool
    overall: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Bar:
    """A figure of one generation; without a height where only its text is shown, or there is none.

    Attributes:
        left: where it begins, from the left.
        centre: of the bar, from the left.
        top: where it begins, from the chart's top.
        height: of the bar.
        text: the figure, above the bar.
        current: whether it is of the project's current generation.
    """

    left: float
    centre: float
    top: float
    height: float
    text: str
    current: bool

    @property
    def width(self) -> float:
        """Of the bar."""
        return _BAR


@dataclass(frozen=True)
class Band:
    """One kind of figure, from the oldest generation to the newest.

    Attributes:
        kind: names its colour.
        title: above the figures.
        top: where it begins, from the chart's top.
        bottom: where its bars end.
        bars: of the generations.
    """

    kind: str
    title: str
    top: float
    bottom: float
    bars: tuple[Bar, ...]

    @property
    def has_bars(self) -> bool:
        """Whether there is more than text."""
        return any(bar.height for bar in self.bars)


@dataclass(frozen=True)
class Chart:
    """What was kept and what was left to do, generation by generation.

    Attributes:
        title: the label, or what is said of all.
        bands: from the top.
        width: of all.
        height: of all.
        summary: all of it in words, a sentence for each generation.
    """

    title: str
    bands: tuple[Band, ...]
    width: float
    height: float
    summary: str


def kept_share(figures: Mapping[str, Any]) -> float | None:
    """Give the share of the predicted regions that people left as they were; None if there were none."""
    predicted = figures["kept"] + figures["redrawn"] + figures["deleted"]
    return figures["kept"] / predicted if predicted else None


def charts(columns: Sequence[Column]) -> tuple[Chart, tuple[Chart, ...]] | None:
    """Draw the chart of all labels, and that of each if there are several; None if nothing was reviewed.

    Bars of the same height mean the same in all of them. The labels with the most regions come first.

    Args:
        columns: the generations, the oldest first.
    """
    if not columns:
        return None
    efforts = [each["effort"] or 0.0 for column in columns for each in _all_figures(column)]
    full = max([_LEAST_FULL_EFFORT, *efforts])
    names = list(dict.fromkeys(name for column in columns for name in column.labels))
    names.sort(key=lambda name: -sum(_size(column.labels.get(name)) for column in columns))
    title = names[0] if len(names) == 1 else "All labels"
    overall = _chart(title, columns, [column.overall for column in columns], full)
    by_label = [
        _chart(name, columns, [column.labels.get(name) for column in columns], full) for name in names
    ]
    return overall, tuple(by_label if len(names) > 1 else ())


def _all_figures(column: Column) -> list[Mapping[str, Any]]:
    return [column.overall, *column.labels.values()]


def _size(figures: Mapping[str, Any] | None) -> int:
    return figures["annotated"] + figures["deleted"] if figures else 0


def _chart(
    title: str, columns: Sequence[Column], figures: Sequence[Mapping[str, Any] | None], full: float
) -> Chart:
    kept = [kept_share(each) if each else None for each in figures]
    efforts = [each["effort"] if each else None for each in figures]
    ious = [each["mean_iou"] if each else None for each in figures]
    current = [column.current for column in columns]
    learned = [NOTHING if column.evidence is None else str(column.evidence) for column in columns]
    drawn = _band(("kept", "Kept"), 0, [percent(each) for each in kept], current, kept)
    left = _band(
        *(("effort", "Work left"), drawn.bottom + _GAP, [percent(each) for each in efforts], current),
        [None if each is None else each / full for each in efforts],
    )
    iou = _band(("iou", "Mean IoU"), left.bottom + _GAP, [decimal(each) for each in ious], current)
    tick = _band(("tick", "Corrections learned from"), iou.bottom + _GAP, learned, current)
    sentences = [_sentence(*each) for each in zip(columns, figures, strict=True)]
    return Chart(
        title,
        bands=(drawn, left, iou, tick),
        width=max(_LEAST_WIDTH, _SLOT * len(columns)),
        height=tick.bottom + 2,
        summary="; ".join(each for each in sentences if each),
    )


def _band(
    kind: tuple[str, str],
    top: float,
    texts: Sequence[str],
    current: Sequence[bool],
    shares: Sequence[float | None] = (),
) -> Band:
    """Put one figure beside the other; *shares* of the full height are drawn as bars."""
    floor = top + 2 * _WORDS + (_FULL if shares else 0)
    heights = [0.0 if each is None else max(1.0, round(each * _FULL, 1)) for each in shares] or [0.0] * len(
        texts
    )
    bars = [
        Bar(
            left=_SLOT * number + (_SLOT - _BAR) / 2,
            centre=_SLOT * (number + 0.5),
            top=round(floor - height, 1),
            height=height,
            text=text,
            current=is_current,
        )
        for number, (height, text, is_current) in enumerate(zip(heights, texts, current, strict=True))
    ]
    return Band(*kind, top=top, bottom=floor, bars=tuple(bars))


def _sentence(column: Column, figures: Mapping[str, Any] | None) -> str:
    """Say what a chart shows of one generation; nothing where it has nothing of a label."""
    if figures is None:
        return ""
    learned = "" if column.evidence is None else f" learned from {plural(column.evidence, 'correction')},"
    told = [
        f"{percent(kept_share(figures))} kept",
        f"{percent(figures['effort'])} of the work left",
        f"mean IoU {decimal(figures['mean_iou'])}",
    ]
    return f"{column.name}:{learned} {', '.join(told)} in {plural(figures['reviewed'], 'review')}"
