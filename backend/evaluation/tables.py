"""The report as a person reads it on a terminal."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

from rich.console import Console
from rich.table import Table

from backend.evaluation.methods import WHOLE, WITHOUT
from backend.evaluation.metrics import Tally, total
from backend.evaluation.report import STAGES, DatasetReport, Figures, mean_scores

SCORES = ("precision", "recall", "f1", "pq", "mean_iou", "best_iou", "ap", "effort")
TITLES = {"f1": "F1", "pq": "PQ", "mean_iou": "mean IoU", "best_iou": "best IoU", "ap": "mask AP"}


def print_reports(console: Console, reports: Sequence[DatasetReport]) -> None:
    """A table per data set with its classes, then one over all data sets."""
    for report in reports:
        console.print(_class_table(report))
    console.print(_summary_table(reports))
    if any(method.method == WHOLE for method in reports[0].methods):
        console.print(_trust_table(reports))


def print_ablation(console: Console, reports: Sequence[DatasetReport]) -> None:
    """What the pipeline is worth on each data set, and what without each of its parts."""
    for score in ("f1", "effort"):
        console.print(_ablation_table(reports, score))


def _ablation_table(reports: Sequence[DatasetReport], score: str) -> Table:
    """One score: a row per part that is left out, a column per data set, their mean last."""
    title = f"ablation: {TITLES.get(score, score)}"
    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("method")
    _number_columns(table, [*(report.dataset for report in reports), "mean"])
    for name in (method.method for method in reports[0].methods):
        if name == WHOLE or name.startswith(WITHOUT):
            values = [
                asdict(one.overall.scores)[score]
                for report in reports
                for one in report.methods
                if one.method == name
            ]
            cells = [f"{value:.3f}" for value in (*values, fmean(values))]
            table.add_row(name, *cells, style="bold" if name == WHOLE else "")
    return table


def _class_table(report: DatasetReport) -> Table:
    """Every method's figures per class and in all."""
    table = Table(title=report.dataset, title_style="bold", title_justify="left")
    for name in ("method", "class"):
        table.add_column(name, overflow="fold")
    _number_columns(table, ("images", "true", "found", *SCORES, "false where absent"))
    for method in report.methods:
        for (group, label), figures in method.classes.items():
            name = label if group in {"-", label} else f"{group}: {label}"
            table.add_row(method.method, name, *_cells(figures))
        if len(method.classes) > 1:
            table.add_row(method.method, "all", *_cells(method.overall), style="bold")
        table.add_section()
    return table


def _summary_table(reports: Sequence[DatasetReport]) -> Table:
    """One row per data set and method, and their means; what is false where absent is summed."""
    table = Table(title="summary", title_style="bold", title_justify="left")
    for name in ("data set", "method"):
        table.add_column(name, overflow="fold")
    _number_columns(table, (*SCORES, "false where absent", *(f"{stage} s" for stage in STAGES)))
    for report in reports:
        for method in report.methods:
            seconds = [f"{method.seconds[stage]:.2f}" for stage in STAGES]
            style = "bold" if method is report.methods[0] else ""
            table.add_row(report.dataset, method.method, *_cells(method.overall)[3:], *seconds, style=style)
        table.add_section()
    if len(reports) > 1:
        for method in reports[0].methods:
            mean = mean_scores(reports, method.method)
            cells = [f"{mean[score]:.3f}" for score in SCORES]
            absent = _absent(total(_counts(reports, method.method)))
            table.add_row("mean", method.method, *cells, absent, *(f"{mean[stage]:.2f}" for stage in STAGES))
    return table


def _trust_table(reports: Sequence[DatasetReport]) -> Table:
    """How far what the pipeline says of itself can be trusted, a row per data set."""
    title = "trust: does a confidence come true, are the least sure images those with most left to do?"
    table = Table(title=title, title_style="bold", title_justify="left")
    table.add_column("data set", overflow="fold")
    _number_columns(table, ("instances", "calibration error", "images", "least sure first"))
    for report in reports:
        one = next(method.trust for method in report.methods if method.method == WHOLE)
        error, first = (
            "-" if value is None else f"{value:.3f}"
            for value in (one.calibration_error, one.least_sure_first)
        )
        table.add_row(report.dataset, str(one.instances), error, str(one.images), first)
    return table


def _counts(reports: Sequence[DatasetReport], method: str) -> list[Tally]:
    """The counts of a method on each data set."""
    return [one.overall.counts for report in reports for one in report.methods if one.method == method]


def _number_columns(table: Table, names: Sequence[str]) -> None:
    """Columns of figures, to the right."""
    for name in names:
        table.add_column(TITLES.get(name, name), justify="right")


def _cells(figures: Figures) -> list[str]:
    """Images, true, found, the scores, and what was found where nothing is."""
    counts = figures.counts
    values = {**asdict(figures.scores), "ap": figures.ap}
    written = [f"{values[score]:.3f}" if counts.images else "-" for score in SCORES]
    return [
        str(counts.images),
        str(counts.true),
        str(counts.matched + counts.false),
        *written,
        _absent(counts),
    ]


def _absent(counts: Tally) -> str:
    """False instances on images without the class, and how many such images there were."""
    return f"{counts.absent_false} in {counts.absent_images}" if counts.absent_images else "-"
