"""What the web process does not load."""

import subprocess
import sys

HEAVY = ["torch", "transformers", "onnxruntime", "label_studio_sdk", "numpy", "PIL"]
PROGRAM = f"""
import sys
import backend.cli.web, backend.web.app, backend.web.server
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_the_web_process_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
