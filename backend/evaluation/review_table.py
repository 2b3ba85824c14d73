"""Learning from review as a person reads it on a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from backend.evaluation.review import ReviewReport, mean_effort


def print_review(console: Console, reports: Sequence[ReviewReport]) -> None:
    """Effort by corrected images: a row per data set, their mean last; and F1 in the same way."""
    console.print(_table(reports, "effort"))
    console.print(_table(reports, "f1"))
    for report in reports:
        for column in report.columns:
            if column.corrected < column.asked * report.projects:
                console.print(_too_few(report, column.asked, column.corrected))
                break


def _table(reports: Sequence[ReviewReport], score: str) -> Table:
    title = {"effort": "effort on the rest, by corrected images", "f1": "F1 on the rest, by corrected images"}
    table = Table(title=title[score], title_style="bold", title_justify="left")
    table.add_column("data set", overflow="fold")
    for name in ("scored", *(str(column.asked) for column in reports[0].columns)):
        table.add_column(name, justify="right")
    for report in reports:
        values = [getattr(column.scores, score) for column in report.columns]
        table.add_row(report.dataset, str(report.scored), *(f"{value:.3f}" for value in values))
    if score == "effort" and len(reports) > 1:
        means = [mean_effort(reports, number) for number in range(len(reports[0].columns))]
        share = [f"{mean:.3f} ({mean / means[0]:.0%})" if means[0] else f"{mean:.3f}" for mean in means]
        table.add_section()
        table.add_row("mean", str(sum(report.scored for report in reports)), *share, style="bold")
    return table


def _too_few(report: ReviewReport, asked: int, corrected: int) -> str:
    """Say where fewer images were corrected than the column says."""
    where = f"its {report.projects} projects" if report.projects > 1 else "it"
    return (
        f"{report.dataset}: from column {asked} on only {corrected} images of {where} are corrected; half of "
        "the images of a project are kept to be scored"
    )
