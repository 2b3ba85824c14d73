"""Redis is not there: the web process starts, says so, and serves as soon as it comes."""

from pathlib import Path

import pytest
import requests

from backend.demo.label_studio import LabelStudioServer
from backend.demo.processes import Processes, answers, free_port
from backend.demo.valkey import start_valkey
from tests.annotator import Annotator
from tests.stack import ONESHOT, stack_environment

pytestmark = pytest.mark.label_studio

EVENT = {"action": "TASKS_CREATED", "project": {"id": 1}}


def _listens(url: str) -> bool:
    try:
        requests.get(url, timeout=2)
    except requests.ConnectionError:
        return False
    return True


def test_a_queue_that_is_gone_is_told_until_it_comes(
    tmp_path: Path, label_studio: LabelStudioServer, annotator: Annotator
) -> None:
    """Label Studio refuses to connect such a backend; and connects it once the queue is up."""
    project, port, redis_port = annotator.create_project("No queue"), free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "label_studio_url": label_studio.url,
        "label_studio_api_key": label_studio.token,
        "redis_url": f"redis://127.0.0.1:{redis_port}/0",
        "oneshot_port": str(port),
    }
    with Processes(tmp_path) as processes:
        web = processes.start("web", [ONESHOT, "web"], environment=stack_environment(settings))
        web.wait_until(lambda: _listens(url), timeout_s=60)

        event = requests.post(f"{url}/webhook", json=EVENT, timeout=10)
        body = {"project": project, "url": url, "title": "one-shot"}
        connecting = annotator.response("POST", "/api/ml", json=body)
        start_valkey(processes, port=redis_port)
        web.wait_until(lambda: answers(f"{url}/health"), timeout_s=20)

        assert event.status_code == 503
        assert "REDIS_URL" in event.json()["error"]
        assert connecting.status_code == 400
        assert annotator.connect(project, url)["state"] == "CO"


def test_a_worker_without_a_queue_ends_and_says_why(tmp_path: Path, label_studio: LabelStudioServer) -> None:
    settings = {
        "label_studio_url": label_studio.url,
        "label_studio_api_key": label_studio.token,
        "redis_url": f"redis://127.0.0.1:{free_port()}/0",
    }
    with Processes(tmp_path) as processes:
        worker = processes.start("worker", [ONESHOT, "worker"], environment=stack_environment(settings))

        assert worker.process.wait(60) == 1
        assert "REDIS_URL" in worker.last_log_lines()
        assert "Traceback" not in worker.last_log_lines()


def test_a_port_in_use_is_told(tmp_path: Path, label_studio: LabelStudioServer) -> None:
    """Label Studio has it."""
    settings = {"oneshot_port": label_studio.url.rpartition(":")[2]}
    with Processes(tmp_path) as processes:
        web = processes.start("web", [ONESHOT, "web"], environment=stack_environment(settings))

        assert web.process.wait(60) == 1
        assert "choose another" in web.last_log_lines()
        assert "Traceback" not in web.last_log_lines()
