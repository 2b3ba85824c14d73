"""The order of a project's annotations, and how few of them are downloaded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

from backend.labelstudio.annotations import AnnotatedTask, ProjectAnnotations
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.references import Annotation


@dataclass
class OneProject:
    """The part of the client that is asked: annotation ids by task, and which are accepted predictions."""

    ids: dict[int, list[int]]
    accepted: set[int] = field(default_factory=set)
    downloads: list[list[int]] = field(default_factory=list)
    lists: int = 0
    starred: set[int] = field(default_factory=set)

    def project(self, project_id: int) -> Project:
        """As the client's."""
        return Project(project_id, "title", "<View/>", "", ground_truths=5)

    def iter_annotated_tasks(self, project_id: int) -> Iterator[AnnotatedTask]:  # noqa: ARG002
        """As the client's; the tasks of accepted predictions have a prediction of ours."""
        self.lists += 1
        for task, ids in self.ids.items():
            versions = frozenset({"oneshot-v1" if self.accepted & set(ids) else "theirs"})
            changed_at = str(sorted(self.starred & set(ids)))
            yield AnnotatedTask(task, ", ".join(map(str, ids)), len(ids), versions, changed_at)

    def task_annotations(self, project_id: int, task_ids: Sequence[int]) -> list[Annotation]:  # noqa: ARG002
        """As the client's."""
        self.downloads.append(list(task_ids))
        return [
            Annotation(
                *(each, task, {}, ()),
                ground_truth=each in self.starred,
                parent_prediction=1 if each in self.accepted else None,
            )
            for task in task_ids
            for each in self.ids[task]
        ]


def _annotations(project: OneProject) -> ProjectAnnotations:
    return ProjectAnnotations(cast("LabelStudio", project), 7)


def test_they_come_in_the_order_of_their_creation_across_tasks() -> None:
    project = OneProject({1: [9, 2], 2: [5], 3: [1, 12]})

    assert [each.id for each in _annotations(project).in_order()] == [1, 2, 5, 9, 12]


def test_the_first_comes_alone_and_later_ones_in_growing_batches() -> None:
    project = OneProject({task: [task] for task in range(1, 100)})
    annotations = _annotations(project)

    first = [each.id for each in islice(annotations.in_order(), 1)]
    after_one = list(project.downloads)
    every = [each.id for each in annotations.in_order()]

    assert (first, after_one) == ([1], [[1]])
    assert every == list(range(1, 100))
    assert [len(each) for each in project.downloads[1:]] == [1, 4, 16, 16, 16, 16, 16, 14]


def test_a_task_with_several_annotations_is_downloaded_once() -> None:
    project = OneProject({1: [1, 3], 2: [2]})

    list(_annotations(project).in_order())

    assert project.downloads == [[1], [2]]


def test_tasks_with_accepted_predictions_only_are_downloaded_once_for_all() -> None:
    """A reviewed project has thousands; none of them teaches."""
    project = OneProject({1: [1], 2: [2, 3], 3: [4]}, accepted={1, 2, 4})
    annotations = _annotations(project)

    assert [[each.id for each in annotations.in_order()] for _ in range(2)] == [[3], [3]]
    assert [sorted(each) for each in project.downloads] == [[1], [2, 3], [2]]


def test_a_task_that_gets_another_annotation_is_looked_at_again() -> None:
    project = OneProject({1: [1]}, accepted={1})
    annotations = _annotations(project)
    list(annotations.in_order())

    project.ids[1].append(2)

    assert [each.id for each in annotations.in_order()] == [2]


def test_a_reviewed_task_that_gets_a_star_is_looked_at_again() -> None:
    project = OneProject({1: [1], 2: [2]}, accepted={1, 2})
    annotations = _annotations(project)
    before = list(annotations.in_order())

    project.starred.add(2)

    assert (before, [each.id for each in annotations.in_order()]) == ([], [2])
    assert project.downloads == [[1], [2], [2]]


def test_an_annotation_deleted_meanwhile_is_left_out() -> None:
    project = OneProject({1: [1], 2: [2]})
    found = _annotations(project).in_order()

    first = next(found).id
    project.ids[2].clear()

    assert [first, *(each.id for each in found)] == [1]


def test_stars_are_counted_by_label_studio() -> None:
    assert _annotations(OneProject({})).ground_truths() == 5


def test_annotations_of_predicted_tasks_are_found_without_a_download() -> None:
    """A person may also have painted one from scratch: the annotation itself tells."""
    project = OneProject({1: [1], 2: [5, 3], 3: [2]}, accepted={2, 3})

    assert _annotations(project).after_predictions("oneshot-") == {2: 3, 3: 2, 5: 2}
    assert project.downloads == []


def test_what_turned_out_to_be_no_review_is_left_out_until_its_task_changes() -> None:
    """Of task 2, annotation 3 was painted from scratch beside the prediction that 5 was made from."""
    project = OneProject({1: [1], 2: [5, 3], 3: [2]}, accepted={2, 5})
    annotations = _annotations(project)
    before = annotations.after_predictions("oneshot-")

    annotations.named(before)
    after = annotations.after_predictions("oneshot-")
    project.ids[2].append(8)

    assert (before, after) == ({2: 3, 3: 2, 5: 2}, {2: 3, 5: 2})
    assert annotations.after_predictions("oneshot-") == {2: 3, 3: 2, 5: 2, 8: 2}


def test_named_annotations_come_in_the_order_asked_for_and_without_those_that_are_gone() -> None:
    project = OneProject({1: [1], 2: [3, 5], 3: [2]}, accepted={2, 3})
    annotations = _annotations(project)

    tasks = annotations.tasks_of([5, 99, 2])

    assert tasks == {5: 2, 2: 3}
    assert [each.id for each in annotations.named({**tasks, 98: 1})] == [5, 2]
    assert project.downloads == [[2, 3, 1]]


def test_the_list_is_read_once_for_all_that_is_asked_at_a_time() -> None:
    """It costs Label Studio as much as to read every annotation; what is known of accepted ones is shared."""
    project = OneProject({1: [1], 2: [3, 5], 3: [2]}, accepted={2, 3})
    annotations = _annotations(project)

    now = annotations.as_of_now()
    asked = [each.id for each in now.in_order()], now.after_predictions("oneshot-"), now.tasks_of([5])
    project.ids[4] = [7]
    later = [each.id for each in annotations.in_order()]

    assert asked == ([1, 5], {2: 3, 3: 2, 5: 2}, {5: 2})
    assert later == [1, 5, 7]
    assert project.lists == 2
