"""The web process is killed while Label Studio tells it of events; two of them serve at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis
import requests

from backend.demo.processes import Processes, free_port
from backend.jobs.counters import Counters
from tests.annotator import Annotator
from tests.proof.conftest import Environment, NewProject
from tests.proof.project import check, wait_for_run, wait_until_finished
from tests.stack import READY_TIMEOUT_S, Stack, start_web

pytestmark = [pytest.mark.label_studio]

RECONCILE_S = "10"
KILLS = 3
StartWeb = Callable[[Stack, int], Stack]


@pytest.fixture(scope="module")
def stack(start: Callable[..., Stack]) -> Stack:
    return start(oneshot_reconcile_s=RECONCILE_S)


@pytest.fixture(scope="module")
def another_web(processes: Processes, environment: Environment) -> StartWeb:
    """Starts a web process on the same queue; gives the stack as seen from there."""

    def begin(stack: Stack, port: int) -> Stack:
        settings = environment(redis_url=stack.redis_url)
        web = start_web(processes, settings, name=f"another-{time.monotonic_ns()}", port=port)
        url = f"http://127.0.0.1:{port}"
        web.wait_healthy(f"{url}/health", timeout_s=READY_TIMEOUT_S)
        return replace(stack, url=url, web=web)

    return begin


def _port(stack: Stack) -> int:
    port = urlsplit(stack.url).port
    assert port is not None
    return port


def test_two_web_processes_that_hear_the_same_do_the_work_once(
    stack: Stack, another_web: StartWeb, annotator: Annotator, new_project: NewProject
) -> None:
    """Each is told of every event and asked for every task, at the same time."""
    webs = [stack, another_web(stack, free_port())]
    project = new_project("Two web processes")
    annotator.connect(project.id, stack.url)
    project.annotate()
    stack.wait_for(lambda: bool(stack.project(project.id).get("model_version")), what="a reference")
    with redis.Redis.from_url(stack.redis_url) as connection:
        before = _computed(connection)

        def tell(number: int) -> list[int]:
            event = {"action": "ANNOTATION_UPDATED", "project": {"id": project.id}}
            asked = {"tasks": [{"id": project.tasks[10 + number]}], "project": f"{project.id}.1"}
            answers = [requests.post(f"{web.url}/webhook", json=event, timeout=20) for web in webs]
            answers += [requests.post(f"{web.url}/predict", json=asked, timeout=20) for web in webs]
            return [answer.status_code for answer in answers]

        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(tell, range(100)))
        wait_for_run(stack, project)

        assert {status for each in told for status in each} == {200}
        assert check(stack, project) == {}
        held = sum(project.predicted(str(stack.project(project.id)["model_version"])).values())
        assert _computed(connection) <= before + held
    webs[1].web.stop()


def test_events_that_a_killed_web_process_missed_are_found(
    stack: Stack, another_web: StartWeb, annotator: Annotator, new_project: NewProject
) -> None:
    """Nobody is told of the mask painted meanwhile; later, people annotate while it comes and goes."""
    project = new_project("Web process killed")
    annotator.connect(project.id, stack.url)

    stack.web.process.kill()
    stack.web.process.wait()
    project.annotate()
    seen = another_web(stack, _port(stack))
    wait_until_finished(seen, project, 10)
    for number in range(KILLS):
        seen.web.process.kill()
        seen.web.process.wait()
        for place in range(5):
            annotator.annotate(project.tasks[-1 - 5 * number - place], [])
        seen = another_web(stack, _port(stack))
        annotator.annotate(project.tasks[-100 - number], [])
    project.remember()
    wait_for_run(seen, project)

    assert check(seen, project) == {}


def _computed(connection: redis.Redis) -> float:
    """How many tasks were computed so far, of all projects."""
    sums = Counters(connection).read()
    return sums.get("images:done", 0) + sums.get("images:empty", 0)
