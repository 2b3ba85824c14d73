"""What is freed is no longer held."""

import subprocess
import sys

import pytest

from backend.worker.allocator import give_back_freed

FREED = """
import numpy as np
from backend.worker.allocator import give_back_freed
from backend.worker.memory import resident_bytes

np.ones(31 * 2**20, np.uint8)  # freed at once: from now on glibc keeps blocks of this size
before = resident_bytes()
blocks = [np.ones(8 * 2**20, np.uint8) for _ in range(20)]
behind = np.ones(2**17 - 64, np.uint8)  # small, and lives on
del blocks
held = resident_bytes() - before
give_back_freed()
print(held // 2**20, (resident_bytes() - before) // 2**20)
"""


@pytest.mark.skipif(not give_back_freed(), reason="the C library is not glibc")
def test_large_blocks_go_back_to_the_system_though_a_small_one_lies_behind_them() -> None:
    """Left alone, glibc keeps all 160 MB, because of the small block that was made after them."""
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)

    left_alone, given_back = map(int, done.stdout.split())
    assert left_alone > 100
    assert given_back < 20
