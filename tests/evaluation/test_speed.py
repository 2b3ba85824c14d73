"""Ways to do the same, timed in turn."""

import time
from pathlib import Path

import pytest

from backend.evaluation.speed import in_turn, machine, report, told


def test_each_way_is_timed_once_a_round_after_one_that_is_not_counted() -> None:
    done: list[str] = []

    in_turn("case", {"a": lambda: done.append("a"), "b": lambda: done.append("b")}, rounds=2)

    assert done == ["a", "b"] * 3


def test_ways_are_compared_with_the_first_by_the_time_of_the_cpu() -> None:
    """Sleeping takes no time of the CPU's, however long it is."""

    def busy(seconds: float, *, then_asleep: float = 0) -> None:
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
        time.sleep(then_asleep)

    slow, fast = in_turn(
        "case", {"slow": lambda: busy(0.04), "fast": lambda: busy(0.01, then_asleep=0.05)}, rounds=2
    )

    assert slow.times_faster == 1
    assert fast.times_faster == pytest.approx(4, rel=0.3)
    assert fast.wall_ms > 50 > fast.cpu_ms


def test_the_machine_is_named_with_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 3 GHz\nmodel name\t: other\n")

    facts = machine(["numpy", "no-such-package"], cpuinfo=tmp_path / "cpuinfo")

    assert facts["cpu"] == "A CPU @ 3 GHz"
    assert facts["no-such-package"] == "not installed"
    assert machine([], cpuinfo=tmp_path / "none")["cpu"]


def test_a_person_and_a_program_are_told_the_same() -> None:
    timings = in_turn("thing", {"one": lambda: None, "another": lambda: None}, rounds=1)

    lines = told(timings, {"cpu": "A"}).splitlines()
    written = report(timings, {"cpu": "A"})

    assert lines[0] == "cpu A"
    assert [line.split()[:2] for line in lines[2:]] == [["thing", "one"], ["thing", "another"]]
    assert written["machine"] == {"cpu": "A"}
    assert [timing["way"] for timing in written["timings"]] == ["one", "another"]
