"""Progress on a terminal and without one."""

import os
import pty
import subprocess
import sys

import pytest

from backend.cli.progress import progress

PROGRAM = (
    "from backend.cli.progress import progress\n"
    "with progress('reading', 3) as done:\n"
    "    done('one [bold]'); done(''); done('two')\n"
)


def test_without_a_terminal_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty line is counted, and not said."""
    with progress("reading", 3) as done:
        done("one [bold]")
        done("")
        done("two")

    assert capsys.readouterr() == ("one [bold]\ntwo\n", "")


def test_on_a_terminal_the_lines_stand_above_a_bar() -> None:
    """A real pseudo-terminal: markup in a line is text, the bar counts to the end and goes away."""
    leader, follower = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM], stdout=follower, stderr=follower, check=True)
    os.close(follower)
    written = os.read(leader, 100_000).decode()
    os.close(leader)

    assert "one [bold]\r\n" in written
    assert "3/3" in written
    assert written.rstrip().endswith("\x1b[2K")


def test_piped_lines_stay_out_of_the_bar() -> None:
    """Standard output is a file, standard error a terminal."""
    leader, follower = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=follower, check=True, text=True
    )
    os.close(follower)
    os.close(leader)

    assert result.stdout == "one [bold]\ntwo\n"
