"""The reviews of a project: its annotations that were made from predictions, each beside its prediction."""

from collections.abc import Iterator, Mapping
from typing import Any

from backend.labelstudio.client import LabelStudio
from backend.labelstudio.origin import merely_converted, objects, parent_of
from backend.labelstudio.review import Review

AT_ONCE = 16  # tasks; annotations and predictions may be large


def iter_reviews(client: LabelStudio, project_id: int) -> Iterator[tuple[int, list[Review]]]:
    """Each task with annotations and predictions, and its reviews; downloaded as far as they are iterated."""
    after_id = 0
    while page := client.reviewable_tasks(project_id, after_id=after_id, limit=AT_ONCE):
        yield from ((int(task["id"]), task_reviews(task)) for task in page)
        after_id = int(page[-1]["id"])


def task_reviews(task: Mapping[str, Any]) -> list[Review]:
    """The reviews of a task, by annotation.

    Cancelled ones are none, nor are those of others' predictions, nor what was converted without a look.

    Args:
        task: as ``LabelStudio.task_contents`` gives it.
    """
    predictions, found = objects(task.get("predictions")), []
    for annotation in sorted(objects(task.get("annotations")), key=lambda each: int(each.get("id") or 0)):
        prediction = parent_of(annotation, predictions)
        if prediction and not annotation.get("was_cancelled") and not merely_converted(annotation):
            found.append(_review(task, annotation, prediction))
    return found


def _review(task: Mapping[str, Any], annotation: Mapping[str, Any], prediction: Mapping[str, Any]) -> Review:
    return Review(
        task_id=int(task["id"]),
        task_data=task.get("data") or {},
        annotation_id=int(annotation["id"]),
        prediction_id=int(prediction["id"]),
        model_version=str(prediction["model_version"]),
        predicted=tuple(objects(prediction.get("result"))),
        submitted=tuple(objects(annotation.get("result"))),
        ground_truth=bool(annotation.get("ground_truth")),
    )
