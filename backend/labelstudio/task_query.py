"""Queries of Label Studio's task list, in the Data Manager's filter language."""

import json
from collections.abc import Sequence

Filter = dict[str, str | float | bool | list[str]]


def task_query(filters: Sequence[Filter], *, after_id: int) -> str:
    """The ``query`` of tasks that pass all *filters*, by id, from the one after *after_id* on.

    Going on from an id, not a page number, loses no task when others leave the list meanwhile.
    """
    items = [*filters, _filter("id", "greater", "Number", after_id)]
    return json.dumps({"ordering": ["tasks:id"], "filters": {"conjunction": "and", "items": items}})


def selection_query(task_ids: Sequence[int]) -> str:
    """The ``query`` of these tasks; the filter, which all pass, makes Label Studio list their versions."""
    return json.dumps(
        {
            "ordering": ["tasks:id"],
            "filters": {"conjunction": "and", "items": [without_prediction_of()]},
            "selectedItems": {"all": False, "included": list(task_ids)},
        }
    )


def not_annotated() -> Filter:
    """No annotation that counts: skipped tasks pass."""
    return _filter("total_annotations", "equal", "Number", 0)


def annotated() -> list[Filter]:
    """Any annotation; it is the filter on the ids that makes Label Studio list them."""
    return [
        _filter("total_annotations", "greater", "Number", 0),
        _filter("annotations_ids", "empty", "String", value=False),
    ]


def without_draft() -> Filter:
    """No draft: nobody has begun to annotate it."""
    return _filter("draft_exists", "equal", "Boolean", value=False)


def without_prediction_of(*model_versions: str) -> Filter:
    """No prediction whose version contains one of *model_versions*."""
    return _filter("predictions_model_versions", "not_contains", "List", list(model_versions))


def with_prediction_of(*model_versions: str) -> Filter:
    """A prediction whose version contains one of *model_versions*; a task may come once for each."""
    return _filter("predictions_model_versions", "contains", "List", list(model_versions))


def _filter(column: str, operator: str, kind: str, value: str | float | bool | list[str]) -> Filter:  # noqa: FBT001
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
