"""How findings look on a terminal, in a pipe, and in one line."""

import io

from rich.console import Console

from backend.doctor.examination import Finding
from backend.doctor.report import as_values, show, summary

WELL = Finding("Redis", "ok", "answers")
WRONG = Finding("webhook", "wrong", "it is off [really] " + "x" * 200, "switch it on")
UNSEEN = Finding("run", "not checked", "needs Redis")


def shown(*findings: Finding, terminal: bool = False) -> str:
    """What is printed."""
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=80, color_system="standard" if terminal else "auto"
    )
    show(console, findings)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_are_aligned_and_not_broken() -> None:
    lines = shown(WELL, WRONG, UNSEEN).splitlines()

    assert lines[0] == "ok       Redis            answers"
    assert lines[1] == f"WRONG    webhook          {WRONG.what}"
    assert lines[2] == "                          -> switch it on"
    assert lines[3] == "-        run              not checked: needs Redis"


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[" in shown(WRONG, terminal=True)
    assert "\x1b[" not in shown(WRONG)


def test_the_summary_names_what_to_begin_with() -> None:
    assert summary([WELL, WRONG, WRONG]) == "2 wrong; begin with the first: webhook"
    assert summary([WELL, UNSEEN]) == "nothing is wrong, 1 not checked"


def test_a_program_gets_all_of_it() -> None:
    told = as_values([WELL, WRONG], project_id=2)

    assert (told["project"], told["well"]) == (2, False)
    assert told["findings"][0] == {"check": "Redis", "state": "ok", "what": "answers", "to_do": ""}
