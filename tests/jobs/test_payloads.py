"""What a job is told."""

import json
from typing import Any

import pytest

from backend.jobs.errors import PayloadError
from backend.jobs.payloads import PredictTasks, SyncProject


def test_payloads_survive_json() -> None:
    predict = PredictTasks(1, "oneshot-mobilesam-0a", (3, 5))

    assert PredictTasks(**json.loads(json.dumps(predict.as_kwargs()))) == predict
    assert SyncProject(**json.loads(json.dumps(SyncProject(7).as_kwargs()))) == SyncProject(7)


@pytest.mark.parametrize("project_id", [0, -1, True, "1", 1.0, None])
def test_a_project_is_a_positive_integer(project_id: Any) -> None:
    with pytest.raises(PayloadError, match="project_id to be a positive integer, got"):
        SyncProject(project_id)


@pytest.mark.parametrize(("version", "task_ids"), [("", (1,)), (None, (1,)), ("v", ("1",)), ("v", (0,))])
def test_predictions_have_a_version_and_task_ids(version: Any, task_ids: Any) -> None:
    with pytest.raises(PayloadError, match="expected"):
        PredictTasks(1, version, task_ids)
