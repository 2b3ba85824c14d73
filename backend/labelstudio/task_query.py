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


def selection_query(task_ids: Sequence[int], filters: Sequence[Filter] = ()) -> str:
    """The ``query`` of those of these tasks that pass *filters*.

    One more, which all pass, makes Label Studio list the versions of their predictions.
    """
    return json.dumps(
        {
            "ordering": ["tasks:id"],
            "filters": {"conjunction": "and", "items": [without_prediction_of(), *filters]},
            "selectedItems": {"all": False, "included": list(task_ids)},
        }
    )


def newest_query(filters: Sequence[Filter]) -> str:
    """The ``query`` of tasks that pass all *filters*, the last changed one first."""
    items = {"conjunction": "and", "items": list(filters)}
    return json.dumps({"ordering": ["-tasks:updated_at"], "filters": items})


def reviewable() -> list[Filter]:
    """An annotation that counts, and a prediction: it may have been made from that."""
    return [
        _filter("total_annotations", "greater", "Number", 0),
        _filter("total_predictions", "greater", "Number", 0),
    ]


def changed_since(at: str) -> Filter:
    """Changed at that time or later, annotations included; as ``2026-01-31T12:00:00.000000Z``."""
    return _filter("updated_at", "greater_or_equal", "Datetime", at)


def not_annotated() -> Filter:
    """No annotation that counts: skipped tasks pass."""
    return _filter("total_annotations", "equal", "Number", 0)


def annotated() -> list[Filter]:
    """Any annotation; it is the filter on the ids, which all pass, that makes Label Studio list them.

    Its filter on ids that are not empty fails in a project without tasks, with status 500.
    """
    return [
        _filter("total_annotations", "greater", "Number", 0),
        _filter("annotations_ids", "not_contains", "String", ""),
    ]


def without_draft() -> Filter:
    """No draft: nobody has begun to annotate it."""
    return _filter("draft_exists", "equal", "Boolean", value=False)


def several_predictions() -> Filter:
    """More than one prediction, of whatever versions."""
    return _filter("total_predictions", "greater", "Number", 1)


def without_prediction_of(*model_versions: str) -> Filter:
    """No prediction whose version contains one of *model_versions*."""
    return _filter("predictions_model_versions", "not_contains", "List", list(model_versions))


def with_prediction_of(*model_versions: str) -> Filter:
    """A prediction whose version contains one of *model_versions*; a task may come once for each."""
    return _filter("predictions_model_versions", "contains", "List", list(model_versions))


def _filter(column: str, operator: str, kind: str, value: str | float | bool | list[str]) -> Filter:  # noqa: FBT001
    return {"filter": f"filter:tasks:{column}", "operator": operator, "type": kind, "value": value}
