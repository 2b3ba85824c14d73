"""A burst: hundreds of events and thousands of requests for predictions within ten seconds."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import redis

from backend.jobs.counters import Counters
from tests.annotator import Annotator
from tests.proof.conftest import NewProject
from tests.proof.project import ProofProject, check, wait_for_run
from tests.stack import Stack

pytestmark = [pytest.mark.label_studio]

WEBHOOKS, PREDICTS, SENDERS = 500, 2000, 8
WITHIN_S = 10.0
WEBHOOK_TIMEOUT_S = 1.0  # of Label Studio: an answer that comes later is an event that is lost
CONNECTIONS_AT_MOST_S = 100.0  # of Label Studio, for /predict


def test_a_burst_is_answered_in_time_and_the_work_is_done_once(
    start: Callable[..., Stack], annotator: Annotator, new_project: NewProject
) -> None:
    """While two workers compute; each task is asked for again and again, alone and together with others."""
    project = new_project("A burst")
    stack = start()
    annotator.connect(project.id, stack.url)
    project.annotate()
    stack.wait_for(lambda: bool(stack.project(project.id).get("model_version")), what="a reference")

    kinds = [_request(project, number) for number in range(WEBHOOKS + PREDICTS)]
    started = time.monotonic()

    def send(request: tuple[float, str, bytes]) -> tuple[str, int, float]:
        share, path, body = request
        time.sleep(max(0.0, started + share * WITHIN_S - time.monotonic()))
        return (path, *_answer(stack, path, body))

    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(send, kinds))
    took_s = time.monotonic() - started
    wait_for_run(stack, project)

    assert {status for _, status, _ in answers} == {200}
    assert took_s < 2 * WITHIN_S
    for path, most_s in (("/webhook", WEBHOOK_TIMEOUT_S), ("/predict", CONNECTIONS_AT_MOST_S)):
        slowest = sorted(seconds for sent, _, seconds in answers if sent == path)[-5:]
        assert slowest[-1] < most_s, f"{path}: {slowest}"
    assert check(stack, project) == {}
    held = sum(project.predicted(str(stack.project(project.id)["model_version"])).values())
    with redis.Redis.from_url(stack.redis_url) as connection:
        sums = Counters(connection).read()
    assert sums.get("images:done", 0) + sums.get("images:empty", 0) == held


def _request(project: ProofProject, number: int) -> tuple[float, str, bytes]:
    """The request with that number: when it is sent, as a share of the burst, its path and its body."""
    share = number / (WEBHOOKS + PREDICTS)
    if number % 5 == 0:
        event = {"action": "ANNOTATION_UPDATED", "project": {"id": project.id}}
        return share, "/webhook", json.dumps(event).encode()
    many = 1 if number % 5 < 4 else 20
    tasks = [{"id": project.tasks[4 + (number + more) % (len(project.tasks) - 4)]} for more in range(many)]
    return share, "/predict", json.dumps({"tasks": tasks, "project": f"{project.id}.1"}).encode()


def _answer(stack: Stack, path: str, body: bytes) -> tuple[int, float]:
    """Status and seconds of a request on a connection of its own, as Label Studio's are."""
    started = time.monotonic()
    connection = HTTPConnection(urlsplit(stack.url).netloc, timeout=CONNECTIONS_AT_MOST_S)
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, time.monotonic() - started
