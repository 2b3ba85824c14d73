"""A finished run as the terminal and Prometheus tell of it, with the real worker behind them."""

import json
import os
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import CoinProject
from tests.stack import ONESHOT, Stack

pytestmark = [pytest.mark.label_studio, pytest.mark.weights]


def test_the_command_waits_for_the_run_and_says_that_all_is_well(
    stack: Stack, coin_project: CoinProject
) -> None:
    """The run is over: it begins once more, finds nothing to do, and ends."""
    before = stack.tasks(coin_project.id)
    environment = os.environ | {"REDIS_URL": stack.redis_url}
    ended = subprocess.run(
        [str(ONESHOT), "prelabel", "--project", str(coin_project.id), "--json"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    outcome = json.loads(ended.stdout)
    assert outcome["state"] == "finished"
    counts = outcome["counts"]
    assert sum(counts.values()) == outcome["total"]
    assert outcome["total"] - counts.get("skipped", 0) == len(coin_project.tasks) - 1, counts
    assert outcome["model_version"] == stack.project(coin_project.id)["model_version"]
    assert {task: row["at"] for task, row in stack.tasks(coin_project.id).items()} == {
        task: row["at"] for task, row in before.items()
    }


def test_the_metrics_tell_what_the_worker_did(stack: Stack, coin_project: CoinProject) -> None:
    response = stack.get("/metrics")
    found = {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }

    stages = {
        stage: seconds for (name, stage), seconds in found.items() if name == "oneshot_stage_seconds_total"
    }
    assert set(stages) == {"fetch", "encode", "search", "check", "push"}
    assert min(stages.values()) > 0
    assert found["oneshot_tasks_finished_total", "done"] >= len(coin_project.tasks) - 2
    assert found["oneshot_jobs_total", "ok"] > 0
    assert any(name == "oneshot_worker_resident_memory_bytes" for name, _ in found)


def test_the_reference_and_the_last_results_have_pictures(stack: Stack, coin_project: CoinProject) -> None:
    shown = stack.project(coin_project.id)

    (reference,) = shown["references"]
    assert reference["pictured"]
    for task in shown["pictures"]:
        picture = stack.get(f"/projects/{coin_project.id}/tasks/{task['id']}.jpg")
        assert (picture.status_code, picture.content[:3]) == (200, b"\xff\xd8\xff")
    assert len(shown["pictures"]) >= 1
