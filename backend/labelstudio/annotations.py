"""A project's annotations in the order of their creation, downloaded only as far as they are looked at."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from backend.labelstudio.references import Annotation

if TYPE_CHECKING:
    from backend.labelstudio.client import LabelStudio


class ProjectAnnotations:
    """The finished annotations of one project, as ``references.pick_references`` wants them."""

    def __init__(self, client: "LabelStudio", project_id: int) -> None:
        self._client = client
        self._project_id = project_id

    def starred(self) -> list[Annotation]:
        """Those with a ground-truth star, in the order of their creation."""
        return self._starred

    def with_label(self, label: str) -> Iterator[Annotation]:
        """Those of tasks that have an annotation with *label*, in the order of their creation."""
        return self._in_order(label)

    @cached_property
    def _starred(self) -> list[Annotation]:
        """Label Studio cannot list them, but it counts them."""
        count = self._client.project(self._project_id).ground_truths
        starred: list[Annotation] = []
        annotations = self._in_order(None) if count else iter(())
        for annotation in annotations:
            if annotation.ground_truth:
                starred.append(annotation)
            if len(starred) == count:
                break
        return starred

    def _in_order(self, label: str | None) -> Iterator[Annotation]:
        """By id, which Label Studio counts up; a task's annotations are downloaded with the first of them."""
        waiting: dict[int, dict[int, Annotation]] = {}
        for annotation_id, task_id in self._index(label):
            if task_id not in waiting:
                downloaded = self._client.task_annotations(self._project_id, task_id)
                waiting[task_id] = {annotation.id: annotation for annotation in downloaded}
            annotation = waiting[task_id].pop(annotation_id, None)
            if annotation is not None:
                yield annotation

    def _index(self, label: str | None) -> list[tuple[int, int]]:
        """Annotation and task id of each annotation of the tasks with *label*."""
        index = {
            (int(annotation_id), task_id)
            for task_id, annotation_ids in self._client.iter_annotated_tasks(self._project_id, label)
            for annotation_id in re.findall(r"\d+", annotation_ids)
        }
        return sorted(index)
