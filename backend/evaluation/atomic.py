"""Files that are either whole or not there."""

import os
import tempfile
from pathlib import Path

from backend.evaluation.errors import OutputFileError


def write_atomically(path: Path, data: bytes) -> None:
    """Write *data* beside *path*, then put it in its place; folders above are made.

    Raises:
        OutputFileError: it cannot be written; what was at *path* is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as exc:
        raise OutputFileError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def _replace(path: Path, data: bytes) -> None:
    """Write beside *path*, then rename; nothing is left behind if that fails."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask; reading it means setting it for a moment."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
