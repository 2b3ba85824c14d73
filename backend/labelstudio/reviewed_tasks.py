"""The reviews of a project: its annotations that were made from predictions, each beside its prediction."""

from collections.abc import Iterator, Mapping
from typing import Any

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.review import Review

AT_ONCE = 16  # tasks; annotations and predictions may be large
OUR_VERSIONS = "oneshot-"  # all of them begin with it


def iter_reviews(client: LabelStudio, project_id: int) -> Iterator[tuple[int, list[Review]]]:
    """Each task with annotations and predictions, and its reviews; downloaded as far as they are iterated."""
    after_id = 0
    while page := client.reviewable_tasks(project_id, after_id=after_id, limit=AT_ONCE):
        yield from ((int(task["id"]), task_reviews(task)) for task in page)
        after_id = int(page[-1]["id"])


def task_reviews(task: Mapping[str, Any]) -> list[Review]:
    """The reviews of a task, by annotation; cancelled ones and those of others' predictions are none.

    Args:
        task: as ``LabelStudio.task_contents`` gives it.
    """
    predictions = {each.get("id"): each for each in _objects(task.get("predictions"))}
    found = []
    for annotation in sorted(_objects(task.get("annotations")), key=lambda each: int(each.get("id") or 0)):
        prediction = predictions.get(annotation.get("parent_prediction"))
        version = str(prediction.get("model_version") or "") if prediction else ""
        if prediction and version.startswith(OUR_VERSIONS) and not annotation.get("was_cancelled"):
            found.append(_review(task, annotation, prediction, version))
    return found


def _review(
    task: Mapping[str, Any], annotation: Mapping[str, Any], prediction: Mapping[str, Any], version: str
) -> Review:
    return Review(
        task_id=int(task["id"]),
        task_data=task.get("data") or {},
        annotation_id=int(annotation["id"]),
        prediction_id=int(prediction["id"]),
        model_version=version,
        predicted=tuple(_objects(prediction.get("result"))),
        submitted=tuple(_objects(annotation.get("result"))),
        ground_truth=bool(annotation.get("ground_truth")),
    )


def _objects(values: object) -> list[Mapping[str, Any]]:
    """The objects in a JSON list; nothing of anything else."""
    return [each for each in values if isinstance(each, Mapping)] if isinstance(values, list) else []
