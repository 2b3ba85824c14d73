"""The agreement as a table."""

import io

from rich.console import Console

from backend.evaluation.agreement_report import agreement_table
from backend.jobs.agreement import Agreement, GenerationAgreement, ProjectAgreement

FOUND = ProjectAgreement(
    (
        GenerationAgreement("oneshot-tiny-1", 3, 4, {"Coin": Agreement(4, 6, 2, 1, 1, 2, 7.0)}),
        GenerationAgreement(
            "oneshot-tiny-2",
            9,
            2,
            {"Coin": Agreement(2, 5, iou_sum=5.0), "Nut": Agreement(1, deleted=1)},
        ),
    ),
    ("annotation 3 of task 7: no size",),
)


def test_the_table_has_a_row_for_each_label_and_one_for_all_where_there_are_several() -> None:
    written = io.StringIO()

    Console(width=150, file=written).print(agreement_table(FOUND, title="Coins"))

    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in written.getvalue().splitlines()]

    assert [row for row in rows if len(row) == 9] == [
        ["oneshot-tiny-1", "Coin", "4", "6", "2", "1", "2", "0.875", "0.400"],
        ["oneshot-tiny-2", "Coin", "2", "5", "0", "0", "0", "1.000", "0.000"],
        ["oneshot-tiny-2", "Nut", "1", "0", "0", "1", "0", "-", "-"],
        ["oneshot-tiny-2", "all", "2", "5", "0", "1", "0", "1.000", "0.200"],
    ]
