"""Python starts with this where ``PYTHONPATH`` names its folder: lets a folder be a disk that is soon full.

``SMALL_DISK=BYTES:FOLDER``. Temporary files that would not fit are ``/dev/full``: the kernel itself then says
that no space is left.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Mkstemp = Callable[..., tuple[int, str]]


def soon_full(mkstemp: Mkstemp, folder: Path, size: int) -> Mkstemp:
    """``tempfile.mkstemp`` as it is when the files in *folder* take *size* bytes and more."""

    def limited(*args: Any, **kwargs: Any) -> tuple[int, str]:
        handle, name = mkstemp(*args, **kwargs)
        if Path(name).is_relative_to(folder) and used_bytes(folder) >= size:
            os.close(handle)
            handle = os.open("/dev/full", os.O_WRONLY)
        return handle, name

    return limited


def used_bytes(folder: Path) -> int:
    """What its files take; other processes may rename and delete them."""
    used = 0
    for path in folder.rglob("*"):
        try:
            used += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return used


size, _, folder = os.environ["SMALL_DISK"].partition(":")
tempfile.mkstemp = soon_full(tempfile.mkstemp, Path(folder), int(size))  # type: ignore[assignment]
