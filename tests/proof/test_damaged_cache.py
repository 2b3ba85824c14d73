"""The disk of the embedding cache is full, and files of the cache are cut off."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from backend.jobs.counters import Counters
from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import TASKS, check, wait_for_run
from tests.proof.small_disk import on_a_small_disk
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

DISK_BYTES = 256 * 2**10  # room for some fifty of the embeddings


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged-cache")


def test_a_full_disk_costs_only_the_cache(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject, tmp_path: Path
) -> None:
    """The folder of the embeddings is a disk of its own that is full after a fraction of the project."""
    project = new_project("Full disk")
    stack = start(wrapper=on_a_small_disk(tmp_path / "embeddings", DISK_BYTES), oneshot_cache=str(tmp_path))
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_for_run(stack, project)

    assert check(stack, project) == {}
    assert stack.worker is not None
    log = stack.worker.log.read_text()
    assert "cannot be written" in log
    assert "No space left" in log


def test_cut_off_files_are_computed_again(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject, cache: Path
) -> None:
    """Every third file loses its second half; then a new reference needs them all, and repairs these."""
    project = new_project("Truncated cache")
    stack = start(
        oneshot_cache=str(cache), oneshot_warm_up="false"
    )  # which also embeds what people have done
    annotator.connect(project.id, stack.url)
    painted = project.annotate()
    wait_for_run(stack, project)
    files = sorted(cache.glob("embeddings/**/*.safetensors"))
    sizes = {file: file.stat().st_size for file in files}
    for file in files[::3]:
        with file.open("r+b") as opened:
            opened.truncate(sizes[file] // 2)
    old = stack.project(project.id)["model_version"]
    with redis.Redis.from_url(stack.redis_url) as connection:
        missed = Counters(connection).read().get("cache:miss", 0)
        project.repaint(painted)
        wait_for_run(stack, project, not_version=old)
        missed = Counters(connection).read().get("cache:miss", 0) - missed

    assert len(files) >= TASKS - 10
    assert check(stack, project) == {}
    assert len(files) // 3 - 10 <= missed <= len(files) // 3 + 10, "each damaged one, and no other"
    assert {file: file.stat().st_size for file in files} == sizes
