"""A comparison as a person reads it on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from statistics import fmean
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from backend.evaluation.comparison import FIGURES, Change, Comparison, Key, Measured

if TYPE_CHECKING:
    from rich.console import Console

TITLES = {"f1": "F1", "pq": "PQ", "ap": "mask AP", "absent": "false / absent image", "seconds": "seconds"}
WORSE = "✗"


def print_comparison(console: Console, comparison: Comparison, name: str) -> None:
    """The changes as a table, then what differs besides, then what got worse.

    Args:
        console: where to print.
        comparison: of this run with a saved one.
        name: of the saved one.
    """
    console.print(_table(comparison, name))
    for line in _lines(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(comparison: Comparison, name: str) -> Table:
    """One row per data set and method, then their means."""
    table = Table(
        title=f"against {name}: what it is now (and how much more than then); {WORSE} got worse",
        title_style="bold",
        title_justify="left",
    )
    for column in ("data set", "method"):
        table.add_column(column, overflow="fold")
    for figure in FIGURES:
        table.add_column(TITLES.get(figure, figure), justify="right", no_wrap=True)
    for change in comparison.changes:
        table.add_row(change.dataset, change.method, *(_cell(change, figure) for figure in FIGURES))
    table.add_section()
    for change in _means(comparison):
        table.add_row(change.dataset, change.method, *(_cell(change, figure) for figure in FIGURES))
    return table


def _cell(change: Change, figure: str) -> Text:
    """A figure as it is now, and how it changed."""
    value, difference = getattr(change.after, figure), change.difference(figure)
    digits = 2 if figure in {"absent", "seconds"} else 3
    written = f"{value:.{digits}f} ({difference:+.{digits}f})"
    return Text(f"{written} {WORSE}", style="bold red") if change.worse(figure) else Text(f"{written}  ")


def _means(comparison: Comparison) -> list[Change]:
    """Each method over the data sets of both runs, where these are several."""
    methods = dict.fromkeys(change.method for change in comparison.changes)
    rows = {name: [change for change in comparison.changes if change.method == name] for name in methods}
    return [
        Change("mean", name, _mean(c.before for c in changes), _mean(c.after for c in changes))
        for name, changes in rows.items()
        if len(changes) > 1
    ]


def _mean(measured: Iterable[Measured]) -> Measured:
    """The mean of each figure."""
    rows = list(measured)
    return Measured(**{f.name: fmean(getattr(row, f.name) for row in rows) for f in fields(Measured)})


def _lines(comparison: Comparison) -> list[str]:
    """What differs besides the figures, and what got worse."""
    settings = [f"{name}: {before} then, {after} now" for name, before, after in comparison.settings]
    lines = [f"Settings that differ: {'; '.join(settings)}"] if settings else []
    if not comparison.judged_alike:
        lines.append(
            "Not judged on the same images and instances: the figures do not compare like with like."
        )
    if comparison.only_before:
        lines.append(f"Only measured then: {_names(comparison.only_before)}")
    if comparison.only_after:
        lines.append(f"Only measured now: {_names(comparison.only_after)}")
    return [*lines, _verdict(comparison)]


def _verdict(comparison: Comparison) -> str:
    """What got worse, in one line."""
    worse = [
        f"{change.dataset} {change.method} {TITLES.get(figure, figure)} {change.difference(figure):+.3f}"
        for change in comparison.changes
        for figure in change.regressions
    ]
    if not comparison.changes:
        return "Nothing to compare: no data set and method is in both runs."
    return f"Got worse: {'; '.join(worse)}" if worse else "Nothing got worse."


def _names(keys: Iterable[Key]) -> str:
    """Data sets and methods."""
    return ", ".join(" ".join(key) for key in keys)
