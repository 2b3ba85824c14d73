"""Redis is killed in the middle of a run, and comes back with its data or with none."""

import time
from collections.abc import Callable

import pytest

from backend.demo.processes import Processes
from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, wait_for_run, wait_until_finished
from tests.proof.valkey import PersistentValkey
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

AWAY_S = 3.0


@pytest.fixture(scope="module")
def valkey(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> PersistentValkey:
    return PersistentValkey(processes, tmp_path_factory.mktemp("valkey"))


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack], valkey: PersistentValkey) -> Stack:
    return start(redis_url=valkey.url, oneshot_reconcile_s="10")


@pytest.mark.parametrize("empty", [False, True], ids=["with its data", "empty"])
def test_a_run_goes_on_when_redis_comes_back(
    stack: Stack, valkey: PersistentValkey, annotator: Annotator, new_project: NewProject, *, empty: bool
) -> None:
    """With its append-only file nothing was forgotten; empty, reconciliation finds the project again."""
    project = new_project(f"Redis comes back, empty: {empty}")
    annotator.connect(project.id, stack.url)
    project.annotate()
    wait_until_finished(stack, project, 20)

    valkey.kill()
    time.sleep(AWAY_S)
    before = len(project.predicted_tasks())
    valkey.start_again(empty=empty)
    stack.wait_for(lambda: answers(stack), what="the status page is back")
    wait_for_run(stack, project)

    assert 0 < before < len(project.tasks) - 50, f"not the middle of the run: {before} predictions"
    assert check(stack, project) == {}


def answers(stack: Stack) -> bool:
    return stack.get("/health").ok
