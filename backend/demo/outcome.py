"""What the demo shows at its end, and whether it is what must come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from backend.demo.errors import DemoOutcomeError


@dataclass(frozen=True)
class Row:
    """One predicted task.

    Attributes:
        task_id: Label Studio's id.
        image: file name.
        instances: regions in Label Studio's stored prediction; None if there is no prediction.
        confidence: in [0, 1], None without instances.
        seconds: what the worker needed.
        reason: why there is no prediction.
    """

    task_id: int
    image: str
    instances: int | None
    confidence: float | None
    seconds: float | None
    reason: str | None = None


def outcome_table(rows: Sequence[Row], expected: Mapping[str, int] | None = None) -> Table:
    """The table of the predictions; *expected* holds the true number of instances by file name."""
    table = Table("task", "image", title="Predictions")
    for column in ("instances", "confidence", "seconds"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(str(row.task_id), row.image, _instances(row, expected), *map(_figure, _figures(row)))
    return table


def print_outcome(console: Console, rows: Sequence[Row], expected: Mapping[str, int] | None) -> None:
    """Print the table, and below it why tasks failed."""
    console.print(outcome_table(rows, expected))
    for row in rows:
        if row.reason:
            console.print(f"{row.image}: {row.reason}", highlight=False)


def require_outcome(rows: Sequence[Row], expected: Mapping[str, int] | None) -> None:
    """Check that every task has a prediction, with the right number of instances where it is known.

    Raises:
        DemoOutcomeError: names every task that is wrong.
    """
    wrong = [text for row in rows if (text := _what_is_wrong(row, expected))]
    if wrong:
        raise DemoOutcomeError("; ".join(wrong))


def _what_is_wrong(row: Row, expected: Mapping[str, int] | None) -> str:
    if row.instances is None:
        return f"{row.image}: no prediction ({row.reason or 'no reason given'})"
    if expected is not None and row.instances != expected[row.image]:
        return f"{row.image}: expected {expected[row.image]} instances, got {row.instances}"
    return ""


def _instances(row: Row, expected: Mapping[str, int] | None) -> str:
    found = "-" if row.instances is None else str(row.instances)
    return found if expected is None else f"{found} of {expected[row.image]}"


def _figures(row: Row) -> tuple[float | None, float | None]:
    return row.confidence, row.seconds


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
