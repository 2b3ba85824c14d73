"""A project of hundreds of tasks that people work in too, and the check that every proof ends with."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any, Self, cast

import numpy as np
import redis
from numpy.typing import NDArray
from PIL import Image

from backend.jobs.keys import ProjectKeys
from tests.annotator import Annotator, brush_region
from tests.stack import RUNNING, Stack

TASKS = 204
SIZE_HW = (48, 64)
BOX = (12, 20, 18, 22)  # top, left, height, width of the thing in the first image
_FILES_AT_ONCE = 90  # Label Studio takes no more than a hundred
_BY_PEOPLE = 3  # tasks in which a person has said that there is nothing
_STATES_WITHOUT_PREDICTION = ("failed", "skipped")


@dataclass
class ProofProject:
    """A project, and what people did in it.

    Attributes:
        annotator: its one user.
        id: the project's.
        tasks: in the order of their images; the first will be the reference.
        work: the annotations and drafts of each task, as people left them.
    """

    annotator: Annotator
    id: int
    tasks: list[int]
    work: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, annotator: Annotator, title: str, *, others: Mapping[str, bytes] | None = None) -> Self:
        """Upload small images, *others* spread among them; in a few tasks a person has found nothing."""
        project = annotator.create_project(title)
        files = _spread(
            {f"{number}.png": png(_picture(number)) for number in range(TASKS)}, dict(others or {})
        )
        names = list(files)
        tasks: list[int] = []
        for first in range(0, len(names), _FILES_AT_ONCE):
            batch = {name: files[name] for name in names[first : first + _FILES_AT_ONCE]}
            tasks += annotator.upload(project, batch)
        made = cls(annotator, project, tasks)
        for task in tasks[1 : 1 + _BY_PEOPLE]:
            annotator.annotate(task, [])
        return made

    def annotate(self) -> int:
        """Paint the box in the first image: a run begins. The annotation's id."""
        annotation = self.annotator.annotate(self.tasks[0], [_painted(*BOX)])
        self.remember()
        return annotation

    def repaint(self, annotation: int) -> None:
        """Take a stripe off what is painted in the first image: a new generation begins."""
        top, left, height, width = BOX
        self.annotator.update(annotation, [_painted(top, left, height - 4, width)])
        self.remember()

    def remember(self) -> None:
        """Note what people have done so far; from now on none of it may change."""
        self.work = self.work_now()

    def work_now(self) -> dict[int, Any]:
        """All annotations and drafts by task, as Label Studio exports them."""
        path = f"/api/projects/{self.id}/export?exportType=JSON&download_all_tasks=true"
        exported = self.annotator.request("GET", path)
        return {row["id"]: [row["annotations"], row["drafts"]] for row in exported}

    def image_names(self) -> dict[int, str]:
        """The address of each task's image."""
        path = f"/api/projects/{self.id}/export?exportType=JSON&download_all_tasks=true"
        return {row["id"]: row["data"]["image"] for row in self.annotator.request("GET", path)}

    def predicted_tasks(self) -> set[int]:
        """The tasks that have any prediction."""
        return {row["task"] for row in self.annotator.predictions(self.id)}

    def predicted(self, model_version: str) -> Counter[int]:
        """How many predictions of that version each task has."""
        rows = self.annotator.predictions(self.id)
        return Counter(row["task"] for row in rows if row["model_version"] == model_version)


def finished(stack: Stack, project: ProofProject) -> int:
    """How many tasks of the run are done with, one way or another."""
    run = stack.project(project.id).get("run") or {"counts": {}}
    return sum(number for state, number in run["counts"].items() if state not in RUNNING)


def wait_until_finished(stack: Stack, project: ProofProject, tasks: int) -> None:
    """Wait until that many tasks are done with: the middle of a run."""
    stack.wait_for(lambda: finished(stack, project) >= tasks, what=f"{tasks} tasks done with", timeout_s=120)


def run_is_over(stack: Stack, project: ProofProject, *, not_version: str | None = None) -> bool:
    """Whether the run of the current version has ended, and nothing of it waits or is computed."""
    known = stack.project(project.id)
    run = known.get("run")
    if not run or run["state"] not in ("finished", "failed") or known["model_version"] == not_version:
        return False
    return run["left"] == 0 and not any(run["counts"].get(state) for state in RUNNING)


def wait_for_run(
    stack: Stack, project: ProofProject, *, not_version: str | None = None, timeout_s: float = 180
) -> None:
    """Wait until the run has ended, and the project's next sync has found nothing more to do."""
    over = partial(run_is_over, stack, project, not_version=not_version)
    stack.wait_for(over, what="the run ends", timeout_s=timeout_s)
    stack.wait_until_idle()
    stack.wait_for(over, what="the run stays ended", timeout_s=timeout_s)


def check(stack: Stack, project: ProofProject, *, failed: Iterable[int] = ()) -> dict[int, str]:
    """Every task has exactly one prediction or a stated reason, and no person's work was touched.

    Args:
        stack: whose current version counts.
        project: the project.
        failed: tasks that must have failed, and no others; any other failure is told.

    Returns:
        The reasons of the tasks that have no prediction, without those that a person had done.
    """
    version = stack.project(project.id)["model_version"]
    assert version, stack.project(project.id)
    held, work, states = project.predicted(version), project.work_now(), _states(stack, project.id)
    twice = {task: number for task, number in held.items() if number != 1}
    assert not twice, f"more than one prediction of {version}: {twice}"

    by_people = {task for task, (annotations, _) in work.items() if annotations}
    without = [task for task in project.tasks if task not in held and task not in by_people]
    reasons = {task: _reason(states.get(task)) for task in without}
    silent = {task: states.get(task) for task, reason in reasons.items() if not reason}
    assert not silent, f"neither a prediction nor a reason: {silent}"
    assert set(failed) <= set(reasons), f"expected failures, got predictions: {set(failed) - set(reasons)}"

    assert work == project.work, "somebody's annotations have changed"
    return reasons


def png(image: NDArray[np.uint8]) -> bytes:
    """The image as a file."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _painted(top: int, left: int, height: int, width: int) -> dict[str, Any]:
    """The region of a painted box."""
    mask = np.zeros(SIZE_HW, bool)
    mask[top : top + height, left : left + width] = True
    return brush_region(mask)


def _states(stack: Stack, project: int) -> dict[int, dict[str, Any]]:
    """What is known of every task; /status shows the last ones only."""
    with redis.Redis.from_url(stack.redis_url) as connection:
        entries = cast("dict[bytes, bytes]", connection.hgetall(ProjectKeys(project).tasks))
    return {int(task): json.loads(entry) for task, entry in entries.items()}


def _reason(entry: Mapping[str, Any] | None) -> str:
    """Why a task has no prediction, if that is said."""
    if entry is None or entry["state"] not in _STATES_WITHOUT_PREDICTION:
        return ""
    return str(entry.get("reason") or "")


def _picture(number: int) -> NDArray[np.uint8]:
    """A box on ground; each number another picture."""
    random = np.random.default_rng(number)
    image = np.full((*SIZE_HW, 3), random.integers(0, 90, 3), np.uint8)
    top, left, height, width = BOX
    if number:
        top, left = int(random.integers(0, 24)), int(random.integers(0, 36))
    image[top : top + height, left : left + width] = random.integers(140, 255, 3)
    return image


def _spread(files: Mapping[str, bytes], others: Mapping[str, bytes]) -> dict[str, bytes]:
    """Put *others* among the files, at equal distances, behind the first few."""
    names = list(files)
    step = max(1, (len(names) - 10) // max(1, len(others)))
    for place, name in enumerate(others):
        names.insert(10 + place * (step + 1), name)
    every = {**files, **others}
    return {name: every[name] for name in names}
