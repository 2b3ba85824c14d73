"""A project's annotations in the order of their creation, downloaded only as far as they are looked at."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.labelstudio.references import Annotation

if TYPE_CHECKING:
    from backend.labelstudio.client import LabelStudio

_MOST_AT_ONCE = 16  # tasks; annotations may be large


@dataclass(frozen=True)
class AnnotatedTask:
    """What a list of tasks tells of an annotated one.

    Attributes:
        id: the task's.
        annotation_ids: of its annotations.
        count: how many of them count.
        versions: of its predictions.
        changed_at: when it or one of its annotations was changed last.
    """

    id: int
    annotation_ids: str
    count: int
    versions: frozenset[str] = frozenset()
    changed_at: str = ""


class ProjectAnnotations:
    """The annotations of one project, as ``references.pick_references`` wants them.

    To be kept: it remembers which tasks have nothing but accepted predictions, and which annotations beside a
    prediction are no reviews of it; those are downloaded once.
    """

    def __init__(self, client: "LabelStudio", project_id: int) -> None:
        self._client = client
        self._project_id = project_id
        self._accepted: set[AnnotatedTask] = set()
        self._no_reviews: set[tuple[AnnotatedTask, int]] = set()
        self._beside_predictions: dict[int, AnnotatedTask] = {}
        self._listed: tuple[AnnotatedTask, ...] | None = None

    def as_of_now(self) -> "ProjectAnnotations":
        """The same annotations, listed once for all that is asked of them: the list is what costs most."""
        fixed = copy(self)
        fixed._listed = tuple(self._client.iter_annotated_tasks(self._project_id))  # noqa: SLF001 - its own
        return fixed

    def _tasks(self) -> Iterable[AnnotatedTask]:
        if self._listed is not None:
            return self._listed
        return self._client.iter_annotated_tasks(self._project_id)

    def ground_truths(self) -> int:
        """How many have a ground-truth star."""
        return self._client.project(self._project_id).ground_truths

    def in_order(self) -> Iterator[Annotation]:
        """Those that may be references, by id, which Label Studio counts up."""
        index = self._index()
        downloaded: dict[int, dict[int, Annotation]] = {}
        at_once = 1
        for position, (annotation_id, task) in enumerate(index):
            if task.id not in downloaded:
                following = dict.fromkeys(each for _, each in index[position:] if each.id not in downloaded)
                downloaded |= self._download(list(following)[:at_once])
                at_once = min(at_once * 4, _MOST_AT_ONCE)
            annotation = downloaded[task.id].pop(annotation_id, None)
            if annotation is not None:
                yield annotation

    def after_predictions(self, version: str) -> dict[int, int]:
        """Id and task of each annotation of a task that has a prediction, by id: reviews, most of them.

        Those that were no reviews when they were last downloaded (``named``) are left out. Label Studio
        forgets which prediction an annotation was made from when that prediction is deleted.

        Args:
            version: what the predictions' versions begin with.
        """
        tasks = [task for task in self._tasks() if any(each.startswith(version) for each in task.versions)]
        self._beside_predictions = {task.id: task for task in tasks}
        found = [(int(each), task) for task in tasks for each in _ids(task)]
        self._no_reviews &= {(task, each) for each, task in found}
        return dict(sorted((each, task.id) for each, task in found if (task, each) not in self._no_reviews))

    def named(self, annotations: Mapping[int, int]) -> list[Annotation]:
        """Those of *annotations* (task by id) that still exist, in the order given."""
        tasks = list(dict.fromkeys(annotations.values()))
        found = {
            annotation.id: annotation
            for start in range(0, len(tasks), _MOST_AT_ONCE)
            for annotation in self._client.task_annotations(
                self._project_id, tasks[start : start + _MOST_AT_ONCE]
            )
            if annotation.id in annotations
        }
        self._no_reviews |= {
            (self._beside_predictions[each.task_id], each.id)
            for each in found.values()
            if not each.is_review and each.task_id in self._beside_predictions
        }
        return [found[each] for each in annotations if each in found]

    def tasks_of(self, annotation_ids: Iterable[int]) -> dict[int, int]:
        """The task of each of these annotations, in the order given; without those that are gone."""
        by_id = {int(each): task.id for task in self._tasks() for each in _ids(task)}
        return {each: by_id[each] for each in annotation_ids if each in by_id}

    def _index(self) -> list[tuple[int, AnnotatedTask]]:
        """Id and task of each annotation that may be such a one."""
        tasks = set(self._tasks())
        self._accepted &= tasks
        index = [(int(each), task) for task in tasks - self._accepted for each in _ids(task)]
        return sorted(index, key=lambda entry: entry[0])

    def _download(self, tasks: Sequence[AnnotatedTask]) -> dict[int, dict[int, Annotation]]:
        """The annotations that may be references, by task and by id."""
        found: dict[int, dict[int, Annotation]] = {task.id: {} for task in tasks}
        for annotation in self._client.task_annotations(self._project_id, list(found)):
            if annotation.may_be_reference:
                found[annotation.task_id][annotation.id] = annotation
        self._accepted |= {task for task in tasks if not found[task.id]}
        return found


def _ids(task: AnnotatedTask) -> list[str]:
    return re.findall(r"\d+", task.annotation_ids)
