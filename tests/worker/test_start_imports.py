"""What a worker loads into its process before it is ready."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NEEDLESS = [
    "transformers", "onnx", "onnxruntime", "scipy", "sympy", "skimage", "pycocotools",
    "torch._dynamo", "torch._inductor", "torch.distributed.tensor",
]  # fmt: skip
START = """
import json, sys
from pathlib import Path
import backend.worker.start
from backend.worker.models import load_models
load_models(sam="mobilesam", cache_dir=Path(sys.argv[1]), device="cpu", threads=1)
print(json.dumps(sorted(sys.modules)))
"""


@pytest.mark.weights
def test_a_worker_with_the_default_models_loads_no_more_than_it_needs(weights: Path) -> None:
    """Each of these takes a good part of the time and memory of a start, and none does any of its work."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(weights.parent)], capture_output=True, text=True, check=True
    )

    loaded = set(json.loads(done.stdout))
    assert {"torch", "backend.checkpoints.sam_modules"} <= loaded
    assert sorted(loaded.intersection(NEEDLESS)) == []
