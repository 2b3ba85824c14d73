"""The disk of the embedding cache is full."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, wait_for_run
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

DISK = "256k"  # room for some fifty of the embeddings
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
ON_A_SMALL_DISK = f'mkdir -p "$0" && mount -t tmpfs -o size={DISK} tmpfs "$0" && exec "$@"'


def test_a_full_disk_costs_only_the_cache(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject, tmp_path: Path
) -> None:
    """The folder of the embeddings is a disk of its own that is full after a fraction of the project."""
    embeddings = tmp_path / "embeddings"
    wrapper = [*NAMESPACE, "sh", "-c", ON_A_SMALL_DISK, str(embeddings)]
    if shutil.which("unshare") is None or subprocess.run([*wrapper, "true"], check=False).returncode != 0:
        pytest.skip("this machine does not let a test mount a small disk (unshare --user --mount)")
    project = new_project("Full disk")
    stack = start(wrapper=wrapper, oneshot_cache=str(tmp_path))
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_for_run(stack, project)

    assert check(stack, project) == {}
    assert stack.worker is not None
    log = stack.worker.log.read_text()
    assert "cannot be written" in log
    assert "No space left" in log
