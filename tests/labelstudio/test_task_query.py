"""Queries as Label Studio's filter language wants them; what they find is tested on the real one."""

import json

from backend.labelstudio.task_query import (
    not_annotated,
    selection_query,
    task_query,
    without_prediction_of,
)


def test_all_filters_and_the_id_must_hold() -> None:
    query = json.loads(task_query([not_annotated(), without_prediction_of("v1")], after_id=7))

    assert query["ordering"] == ["tasks:id"]
    assert query["filters"]["conjunction"] == "and"
    assert [(each["filter"], each["operator"], each["value"]) for each in query["filters"]["items"]] == [
        ("filter:tasks:total_annotations", "equal", 0),
        ("filter:tasks:predictions_model_versions", "not_contains", ["v1"]),
        ("filter:tasks:id", "greater", 7),
    ]


def test_chosen_tasks_are_listed_by_id() -> None:
    assert json.loads(selection_query([3, 1]))["selectedItems"] == {"all": False, "included": [3, 1]}
