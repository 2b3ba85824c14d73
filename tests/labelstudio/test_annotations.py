"""The order of a project's annotations, and how few of them are downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import cast

from backend.labelstudio.annotations import ProjectAnnotations
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.references import Annotation


@dataclass
class OneProject:
    """The part of the client that is asked: annotation ids by task, and which have a star."""

    ids: dict[int, list[int]]
    stars: tuple[int, ...] = ()
    downloaded: list[int] = field(default_factory=list)

    def project(self, project_id: int) -> Project:
        """As the client's."""
        return Project(project_id, "title", "<View/>", "", ground_truths=len(self.stars))

    def iter_annotated_tasks(self, project_id: int, label: str | None) -> Iterator[tuple[int, str]]:  # noqa: ARG002
        """As the client's."""
        return ((task, ", ".join(map(str, ids))) for task, ids in self.ids.items())

    def task_annotations(self, project_id: int, task_id: int) -> list[Annotation]:  # noqa: ARG002
        """As the client's."""
        self.downloaded.append(task_id)
        return [
            Annotation(each, task_id, {}, datetime.now(UTC), (), ground_truth=each in self.stars)
            for each in self.ids[task_id]
        ]


def _annotations(project: OneProject) -> ProjectAnnotations:
    return ProjectAnnotations(cast("LabelStudio", project), 7)


def test_they_come_in_the_order_of_their_creation_across_tasks() -> None:
    project = OneProject({1: [9, 2], 2: [5], 3: [1, 12]})

    assert [each.id for each in _annotations(project).with_label("Coin")] == [1, 2, 5, 9, 12]
    assert project.downloaded == [3, 1, 2]  # each task once


def test_only_what_is_looked_at_is_downloaded() -> None:
    project = OneProject({task: [task] for task in range(1, 100)})

    assert [each.id for each in islice(_annotations(project).with_label("Coin"), 2)] == [1, 2]
    assert project.downloaded == [1, 2]


def test_without_stars_none_are_looked_for() -> None:
    project = OneProject({1: [1], 2: [2]})

    assert _annotations(project).starred() == []
    assert project.downloaded == []


def test_stars_are_looked_for_once_and_until_all_are_found() -> None:
    project = OneProject({task: [task] for task in range(1, 100)}, stars=(2, 4))
    annotations = _annotations(project)

    assert [[each.id for each in annotations.starred()] for _ in range(2)] == [[2, 4], [2, 4]]
    assert project.downloaded == [1, 2, 3, 4]
