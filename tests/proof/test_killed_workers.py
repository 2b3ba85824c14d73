"""Workers are killed again and again, at random moments of a run."""

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import check, run_is_over, wait_for_run
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

KILLS = 5


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
    while len(killed) < KILLS and not run_is_over(stack, project):
        time.sleep(chance.uniform(0.1, 1.5))
        busy = {worker["pid"] for worker in stack.status()["workers"] if worker["job"] and worker["pid"]}
        if busy - killed:
            victim = chance.choice(sorted(busy - killed))
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
    wait_for_run(stack, project)

    reasons = check(stack, project)
    assert len(killed) == KILLS
    assert all("worker" in reason for reason in reasons.values()), reasons
