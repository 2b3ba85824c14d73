"""Files are whole or not there."""

from pathlib import Path

import pytest

from backend.evaluation.atomic import write_atomically
from backend.evaluation.errors import OutputFileError


def test_folders_are_made_and_an_old_file_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.txt"

    write_atomically(target, b"old")
    write_atomically(target, b"new")

    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o444 == 0o444


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """The place is taken by a folder."""
    (tmp_path / "file.txt").mkdir()

    with pytest.raises(OutputFileError, match=r"file\.txt: cannot be written: .*irectory"):
        write_atomically(tmp_path / "file.txt", b"new")

    assert list(tmp_path.iterdir()) == [tmp_path / "file.txt"]
