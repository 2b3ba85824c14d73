"""Become a program that ends when its parent does: ``python -m backend.demo.child PROGRAM ARGUMENT...``.

A parent that is killed cannot stop its children, so the kernel is asked to (Linux, ``prctl(2)``). The wish
survives ``exec``, so the program runs under the process id that its parent knows.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Ask the kernel to terminate this process when the thread that started it ends."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent == 1 or os.getppid() != parent:  # the parent ended before the wish was made
        sys.exit(1)


if __name__ == "__main__":
    end_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is the point
