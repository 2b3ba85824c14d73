"""Findings as lines for a terminal and as plain values for JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from backend.doctor.examination import Finding, State

MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "wrong": ("WRONG", "bold red"),
    "not checked": ("-", "dim"),
}
_MARK_WIDTH, _CHECK_WIDTH = 9, 17
_INDENT = " " * (_MARK_WIDTH + _CHECK_WIDTH)


def show(console: Console, findings: Sequence[Finding]) -> None:
    """Print a line for each finding, and what to do below it; colours on terminals only."""
    for finding in findings:
        mark, style = MARKS[finding.state]
        told = f"not checked: {finding.what}" if finding.state == "not checked" else finding.what
        _print(console, Text(f"{mark:<{_MARK_WIDTH}}", style), f"{finding.check:<{_CHECK_WIDTH}}", told)
        if finding.to_do:
            _print(console, _INDENT, Text("-> "), finding.to_do)


def summary(findings: Sequence[Finding]) -> str:
    """One line that says how it stands."""
    counts = {state: sum(finding.state == state for finding in findings) for state in MARKS}
    if counts["wrong"]:
        first = next(finding for finding in findings if finding.state == "wrong")
        return f"{counts['wrong']} wrong; begin with the first: {first.check}"
    notes = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    return ", ".join(["nothing is wrong", *notes])


_WORDS: dict[State, str] = {"warning": "to look at", "not checked": "not checked"}


def as_values(findings: Sequence[Finding], *, project_id: int | None) -> dict[str, Any]:
    """Everything, for a program."""
    return {
        "project": project_id,
        "well": not any(finding.state == "wrong" for finding in findings),
        "findings": [asdict(finding) for finding in findings],
    }


def _print(console: Console, *parts: str | Text) -> None:
    """Print a line as it is, unbroken, so that addresses can be copied."""
    console.print(Text.assemble(*parts), soft_wrap=True, highlight=False)
