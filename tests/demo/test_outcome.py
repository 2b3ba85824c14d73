"""Claims about the demo's verdict."""

import io

import pytest
from rich.console import Console

from backend.demo.errors import DemoOutcomeError
from backend.demo.outcome import Row, print_outcome, require_outcome

RIGHT = Row(2, "coins-2.png", instances=4, confidence=0.934, seconds=1.25)
EMPTY = Row(3, "coins-8.png", instances=0, confidence=None, seconds=0.5)
FAILED = Row(4, "coins-3.png", instances=None, confidence=None, seconds=None, reason="truncated file")
EXPECTED = {"coins-2.png": 4, "coins-8.png": 0, "coins-3.png": 6}


def test_the_right_numbers_pass() -> None:
    require_outcome([RIGHT, EMPTY], EXPECTED)


def test_a_wrong_number_is_named() -> None:
    with pytest.raises(DemoOutcomeError, match=r"coins-2\.png: expected 5 instances, got 4"):
        require_outcome([RIGHT], {"coins-2.png": 5})


def test_something_found_on_bare_background_is_wrong() -> None:
    found = Row(3, "coins-8.png", instances=1, confidence=0.5, seconds=0.5)

    with pytest.raises(DemoOutcomeError, match="expected 0 instances, got 1"):
        require_outcome([found], EXPECTED)


def test_a_missing_prediction_is_wrong_even_where_the_number_is_not_known() -> None:
    with pytest.raises(DemoOutcomeError, match=r"coins-3\.png: no prediction \(truncated file\)"):
        require_outcome([RIGHT, FAILED], None)


def test_the_table_shows_task_instances_confidence_and_seconds() -> None:
    output = io.StringIO()

    print_outcome(Console(file=output, width=100), [RIGHT, FAILED], EXPECTED)

    row = next(line for line in output.getvalue().splitlines() if "coins-2.png" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["2", "coins-2.png", "4 of 4", "0.93", "1.25"]
    assert "coins-3.png: truncated file" in output.getvalue()
