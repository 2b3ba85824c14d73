"""Workers are killed again and again, at random moments of a run."""

import os
import random
import signal
import time
from collections.abc import Callable, Mapping

import pytest

from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, finished, run_is_over, wait_for_run
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

KILLS = 5
AT_MOST_BETWEEN = 20  # tasks done with from one kill to the next: five kills take half of the tasks


def test_workers_killed_in_the_middle_of_jobs_lose_nothing(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject
) -> None:
    """A job in hand is tried again; a task in whose computing two workers died is set aside, and says so."""
    chance = random.Random(4)
    project = new_project("Killed workers")
    stack = start()
    annotator.connect(project.id, stack.url)
    project.annotate()
    stack.wait_for(lambda: bool(stack.project(project.id).get("run")), what="a run")

    killed: set[int] = set()
    due = 0
    while len(killed) < KILLS and not run_is_over(stack, project):
        time.sleep(0.02)
        busy = {_process(worker) for worker in stack.status()["workers"] if worker["job"]}
        if busy - killed and (done := finished(stack, project)) >= due:
            victim = chance.choice(sorted(busy - killed))
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
            due = done + chance.randint(1, AT_MOST_BETWEEN)
    wait_for_run(stack, project)

    reasons = check(stack, project)
    assert len(killed) == KILLS
    assert all("worker" in reason for reason in reasons.values()), reasons


def _process(worker: Mapping[str, str]) -> int:
    """The worker's process, from its name: that is known from the start, the pid from its first report on."""
    return int(worker["name"].rsplit("-", 2)[1])
