"""Programs called npm that stand on PATH in place of the real one."""

import stat
from pathlib import Path


def install_npm(folder: Path, script: str) -> Path:
    """Write a shell script called npm; its arguments are ``pack NAME --pack-destination FOLDER`` and more."""
    folder.mkdir(parents=True, exist_ok=True)
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(npm.stat().st_mode | stat.S_IXUSR)
    return npm
