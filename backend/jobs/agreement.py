"""How much of the predictions people kept, by generation and label: counted task by task, kept in Redis.

All of it can be counted again from Label Studio, where the predictions of annotated tasks stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import Any, Protocol, cast

from redis import Redis

from backend.jobs.connection import redis_errors
from backend.jobs.keys import SECONDS_TO_LIVE

GOOD_IOU = 0.8  # below, somebody had to redraw the outline
_LONGEST_PROBLEM = 300
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class Agreement:
    """Counts over any number of reviews; add two to have both.

    Attributes:
        reviewed: submitted annotations in which something of it was predicted or is annotated.
        kept: regions that stayed as they were predicted.
        redrawn: regions that got another outline.
        loose: of these, the ones with an IoU below 0.8.
        deleted: regions that were predicted, and are not there any more.
        added: regions that were not predicted.
        iou_sum: sum of the IoU of all kept and redrawn ones.
    """

    reviewed: int = 0
    kept: int = 0
    redrawn: int = 0
    loose: int = 0
    deleted: int = 0
    added: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def annotated(self) -> int:
        """Regions that people submitted."""
        return self.kept + self.redrawn + self.added

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU of the kept and redrawn regions; None without any."""
        matched = self.kept + self.redrawn
        return self.iou_sum / matched if matched else None

    @property
    def effort(self) -> float | None:
        """The share of the work that was left: (deleted + added + loose) / annotated; None if that is 0."""
        return (self.deleted + self.added + self.loose) / self.annotated if self.annotated else None

    def figures(self) -> dict[str, int | float | None]:
        """Give the counts and what follows from them."""
        counts = {name: value for name, value in asdict(self).items() if name != "iou_sum"}
        return {**counts, "annotated": self.annotated, "mean_iou": self.mean_iou, "effort": self.effort}


@dataclass(frozen=True)
class GenerationAgreement:
    """What became of the predictions of one generation.

    Attributes:
        model_version: of the predictions.
        first_prediction: the smallest id of them, which Label Studio counts up: tells the older generation.
        reviewed: submitted annotations that were made from them.
        labels: the counts of each label.
    """

    model_version: str
    first_prediction: int
    reviewed: int
    labels: Mapping[str, Agreement]

    @property
    def overall(self) -> Agreement:
        """The counts of all labels."""
        counts = sum(self.labels.values(), start=Agreement())
        return Agreement(self.reviewed, *astuple(counts)[1:])

    def as_json(self) -> list[Any]:
        """Give it as plain values."""
        labels = {label: list(astuple(each)) for label, each in self.labels.items()}
        return [self.model_version, self.first_prediction, self.reviewed, labels]

    @staticmethod
    def from_json(values: Sequence[Any]) -> GenerationAgreement:
        """Read what ``as_json`` gave."""
        version, first, reviewed, labels = values
        counts = {str(label): Agreement(*each) for label, each in labels.items()}
        return GenerationAgreement(str(version), int(first), int(reviewed), counts)


@dataclass(frozen=True)
class TaskAgreement:
    """What the reviews of one task came to.

    Attributes:
        task_id: the task's.
        generations: whose predictions were reviewed.
        problem: why reviews could not be counted, for a person; empty if all were.
    """

    task_id: int
    generations: tuple[GenerationAgreement, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class ProjectAgreement:
    """What the reviews of a project came to.

    Attributes:
        generations: the oldest first.
        problems: why some reviews could not be counted: the first few.
    """

    generations: tuple[GenerationAgreement, ...] = ()
    problems: tuple[str, ...] = ()


class ReviewedRegion(Protocol):
    """What became of a region, as ``backend.labelstudio.review`` says it."""

    @property
    def label(self) -> str:
        """Its label."""

    @property
    def outcome(self) -> str:
        """One of kept, redrawn, deleted and added."""

    @property
    def iou(self) -> float | None:
        """The IoU of a kept or redrawn one."""


def review_agreement(
    model_version: str, prediction_id: int, regions: Iterable[ReviewedRegion]
) -> GenerationAgreement:
    """Count one review.

    Args:
        model_version: of the prediction.
        prediction_id: the prediction's.
        regions: all that were predicted or submitted.
    """
    labels: dict[str, Agreement] = {}
    for region in regions:
        counted = Agreement(
            kept=region.outcome == "kept",
            redrawn=region.outcome == "redrawn",
            loose=region.outcome == "redrawn" and (region.iou or 0) < GOOD_IOU,
            deleted=region.outcome == "deleted",
            added=region.outcome == "added",
            iou_sum=region.iou or 0.0,
        )
        labels[region.label] = labels.get(region.label, Agreement(reviewed=1)) + counted
    return GenerationAgreement(model_version, prediction_id, 1, labels)


def by_generation(agreements: Iterable[GenerationAgreement]) -> tuple[GenerationAgreement, ...]:
    """Add up what belongs to the same generation; the oldest comes first."""
    found: dict[str, GenerationAgreement] = {}
    for each in agreements:
        known = found.get(each.model_version)
        found[each.model_version] = _sum(known, each) if known else each
    return tuple(sorted(found.values(), key=lambda each: each.first_prediction))


def _sum(one: GenerationAgreement, other: GenerationAgreement) -> GenerationAgreement:
    names = dict.fromkeys([*one.labels, *other.labels])
    labels = {name: one.labels.get(name, Agreement()) + other.labels.get(name, Agreement()) for name in names}
    first = min(one.first_prediction, other.first_prediction)
    return GenerationAgreement(one.model_version, first, one.reviewed + other.reviewed, labels)


def agreement_figures(found: ProjectAgreement) -> dict[str, Any]:
    """Give all figures of a project as plain values; a share of nothing is None."""
    return {
        "generations": [
            {
                "model_version": each.model_version,
                "overall": each.overall.figures(),
                "labels": {label: agreement.figures() for label, agreement in each.labels.items()},
            }
            for each in found.generations
        ],
        "problems": list(found.problems),
    }


@dataclass(frozen=True)
class Cursor:
    """How far the reviews of a project were read.

    Attributes:
        since: all that changed before was read; empty: nothing was.
        newest: the last change there was when the reading that goes on began; empty: none goes on.
        after_id: that reading has come to this task.
    """

    since: str = ""
    newest: str = ""
    after_id: int = 0


class Agreements:
    """Keeps what the reviews of all projects came to; one process at a time writes that of a project."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection

    def cursor(self, project_id: int) -> Cursor:
        """Give how far the reviews were read."""
        with redis_errors():
            stored = cast("bytes | None", self._connection.get(_cursor_key(project_id)))
        return Cursor(**json.loads(stored)) if stored else Cursor()

    def task_ids(self, project_id: int) -> set[int]:
        """Give the tasks that were read."""
        with redis_errors():
            return {int(each) for each in cast("list[bytes]", self._connection.hkeys(_tasks_key(project_id)))}

    def put(self, project_id: int, tasks: Iterable[TaskAgreement], cursor: Cursor) -> None:
        """Keep what tasks came to, and how far the reviews were read then."""
        key = _tasks_key(project_id)
        with redis_errors(), self._connection.pipeline() as pipe:
            for task in tasks:
                pipe.hset(key, str(task.task_id), json.dumps(_entry(task)))
            pipe.set(_cursor_key(project_id), json.dumps(asdict(cursor)), ex=SECONDS_TO_LIVE)
            pipe.expire(key, SECONDS_TO_LIVE)
            pipe.execute()

    def forget(self, project_id: int, task_ids: Iterable[int]) -> None:
        """Forget tasks that have no reviews any more."""
        names = [str(each) for each in task_ids]
        if names:
            with redis_errors():
                self._connection.hdel(_tasks_key(project_id), *names)

    def add_up(self, project_id: int) -> None:
        """Add up what all tasks came to: that is what ``of_project`` gives from now on."""
        with redis_errors():
            stored = cast("list[bytes]", self._connection.hvals(_tasks_key(project_id)))
            self._connection.set(_sum_key(project_id), json.dumps(_sum_entry(stored)), ex=SECONDS_TO_LIVE)

    def of_project(self, project_id: int) -> ProjectAgreement:
        """Give what all of its reviews came to."""
        with redis_errors():
            stored = cast("bytes | None", self._connection.get(_sum_key(project_id)))
        if stored is None:
            return ProjectAgreement()
        entry = json.loads(stored)
        return ProjectAgreement(
            tuple(map(GenerationAgreement.from_json, entry["generations"])), tuple(entry["problems"])
        )


def _entry(task: TaskAgreement) -> dict[str, Any]:
    entry = {**asdict(task), "generations": [each.as_json() for each in task.generations]}
    del entry["task_id"]
    return {**entry, "problem": task.problem[:_LONGEST_PROBLEM]}


def _sum_entry(stored: Iterable[bytes]) -> dict[str, Any]:
    entries = [json.loads(each) for each in stored]
    parts = (GenerationAgreement.from_json(each) for entry in entries for each in entry["generations"])
    problems = [entry["problem"] for entry in entries if entry["problem"]]
    return {
        "generations": [each.as_json() for each in by_generation(parts)],
        "problems": problems[:_MOST_PROBLEMS],
    }


def _tasks_key(project_id: int) -> str:
    return f"oneshot:agreement:{project_id}"


def _cursor_key(project_id: int) -> str:
    return f"oneshot:agreement-read:{project_id}"


def _sum_key(project_id: int) -> str:
    return f"oneshot:agreement-sum:{project_id}"
