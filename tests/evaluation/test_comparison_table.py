"""A comparison as it is printed."""

import io
from dataclasses import replace

from rich.console import Console

from backend.evaluation.comparison import Comparison, Measured, SavedRun, compare
from backend.evaluation.comparison_table import print_comparison

GOOD = Measured(f1=0.9, pq=0.8, ap=0.7, effort=0.2, absent=0.5, seconds=3.5, true=20)


def printed(comparison: Comparison) -> str:
    """What stands on the terminal."""
    out = io.StringIO()
    print_comparison(Console(file=out, width=170), comparison, "old.json")
    return out.getvalue()


def test_what_got_worse_is_marked_and_named_at_the_end() -> None:
    before = SavedRun({}, {("figs", "pipeline"): GOOD, ("nuts", "pipeline"): GOOD})
    worse = replace(GOOD, f1=0.88, effort=0.1)

    text = printed(compare(before, SavedRun({}, {**before.figures, ("figs", "pipeline"): worse})))

    figs, nuts, mean = (
        next(line for line in text.splitlines() if name in line) for name in ("figs", "nuts", "mean")
    )
    assert "0.880 (-0.020) ✗" in figs
    assert "0.100 (-0.100) " in figs
    assert figs.count("✗") == 1
    assert "✗" not in nuts
    assert "0.890 (-0.010) ✗" in mean
    assert text.splitlines()[-1] == "Got worse: figs pipeline F1 -0.020"


def test_nothing_worse_is_said_too() -> None:
    run = SavedRun({"limit": None}, {("figs", "pipeline"): GOOD})

    lines = printed(compare(run, run)).splitlines()

    assert lines[-1] == "Nothing got worse."
    assert not any("mean" in line or "differ" in line for line in lines)


def test_what_makes_the_comparison_doubtful_is_said() -> None:
    before = SavedRun({"limit": 1}, {("figs", "pipeline"): GOOD, ("figs", "loop"): GOOD})
    after = SavedRun({"limit": None}, {("figs", "pipeline"): GOOD, ("nuts", "pipeline"): GOOD})

    lines = printed(compare(before, after)).splitlines()

    assert "Settings that differ: limit: 1 then, None now" in lines
    assert any(line.startswith("Not judged on the same images") for line in lines)
    assert "Only measured then: figs loop" in lines
    assert "Only measured now: nuts pipeline" in lines


def test_two_runs_with_nothing_in_common_have_no_verdict() -> None:
    comparison = compare(SavedRun({}, {("figs", "loop"): GOOD}), SavedRun({}, {("nuts", "loop"): GOOD}))

    assert printed(comparison).splitlines()[-1].startswith("Nothing to compare")
