"""The small disk of the proofs is full when it should be, however this machine lets one be made."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.proof.small_disk import on_a_small_disk, without_mount

WRITES = """#!{python}
import errno, os, sys, tempfile
from pathlib import Path

folder = Path(sys.argv[1])
for number in range(100):
    handle, name = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(8192))
    except OSError as exc:
        assert exc.errno == errno.ENOSPC, exc
        print(number)
        break
with tempfile.TemporaryFile() as elsewhere:
    elsewhere.write(bytes(8192))
"""


@pytest.mark.parametrize("disk", [on_a_small_disk, without_mount])
def test_a_small_disk_is_full_after_its_bytes_and_others_are_not(
    disk: Callable[[Path, int], list[str]], tmp_path: Path
) -> None:
    """A mounted one has whole pages, and its folder may take some."""
    script, folder = tmp_path / "writes", tmp_path / "disk"
    script.write_text(WRITES.replace("{python}", sys.executable))
    script.chmod(0o755)

    result = subprocess.run(
        [*disk(folder, 10 * 8192), str(script), str(folder)], capture_output=True, check=True, text=True
    )

    assert 8 <= int(result.stdout) <= 10
