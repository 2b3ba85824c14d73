"""A disk that is soon full, for a command and the processes that it starts."""

import shutil
import subprocess
from pathlib import Path

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNTED = 'mkdir -p "$0" && mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@"'
FULL_DISK = Path(__file__).parent / "full_disk"


def on_a_small_disk(folder: Path, size: int) -> list[str]:
    """The beginning of a command line: what follows finds a disk of *size* bytes at *folder*.

    A file system of its own where a user may mount one.
    """
    mounted = [*NAMESPACE, "sh", "-c", MOUNTED, str(folder), str(size)]
    if shutil.which("unshare") and subprocess.run([*mounted, "true"], check=False).returncode == 0:
        return mounted
    return without_mount(folder, size)


def without_mount(folder: Path, size: int) -> list[str]:
    """The same for what Python writes by way of temporary files: see ``full_disk/sitecustomize.py``."""
    folder.mkdir(exist_ok=True)
    return ["env", f"PYTHONPATH={FULL_DISK}", f"SMALL_DISK={size}:{folder}"]
