"""How much of the predictions people kept, as a table."""

from collections.abc import Iterator

from rich.table import Table

from backend.jobs.agreement import Agreement, GenerationAgreement, ProjectAgreement

_COUNTS = ("reviewed", "kept", "redrawn", "deleted", "added")


def agreement_table(found: ProjectAgreement, *, title: str) -> Table:
    """A row for each label of each generation, the oldest first, and one for all labels of it.

    Args:
        found: what the reviews came to.
        title: of the table.
    """
    table = Table(title=title, title_style="bold", title_justify="left")
    for name in ("generation", "label"):
        table.add_column(name, overflow="fold")
    for name in (*_COUNTS, "mean IoU", "effort"):
        table.add_column(name, justify="right")
    for generation in found.generations:
        for label, agreement, style in _rows(generation):
            table.add_row(generation.model_version, label, *_cells(agreement), style=style)
        table.add_section()
    return table


def _rows(generation: GenerationAgreement) -> Iterator[tuple[str, Agreement, str]]:
    """Label, counts and style."""
    for label, agreement in generation.labels.items():
        yield label, agreement, ""
    if len(generation.labels) != 1:
        yield "all", generation.overall, "bold"


def _cells(agreement: Agreement) -> list[str]:
    counts = [str(getattr(agreement, name)) for name in _COUNTS]
    return [*counts, _share(agreement.mean_iou), _share(agreement.effort)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
