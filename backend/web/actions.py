"""What the buttons of the status page set in motion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.jobs.generations import Generations
from backend.jobs.queue import JobQueue
from backend.jobs.runs import Runs
from backend.jobs.warm_ups import WarmUps
from backend.web.formatting import plural

LEARN_NOW = "learn-now"
NAMES = ("run", "cancel", "retry-failed", "warm-up", LEARN_NOW)
OF_ANNOTATIONS = ("exclude", "include")
MAKE_CURRENT = "make-current"
_OF_TASKS = frozenset({"cancel", "retry-failed"})
_CHANGES = frozenset({*OF_ANNOTATIONS, MAKE_CURRENT})
_TOLD = {  # when nothing changed, and when something did
    "run": ("a look for the reference waits already, the run follows", "the run starts"),
    "warm-up": ("its images are being prepared already", "its images are being prepared"),
    LEARN_NOW: ("that was asked for already", "everything that was reviewed is learned from now"),
    "exclude": ("that annotation teaches nothing already", "that annotation teaches nothing any more"),
    "include": ("that annotation is not excluded", "that annotation teaches again"),
    MAKE_CURRENT: (
        "that generation is not known any more",
        "that generation becomes the current one again, until something new is learned",
    ),
}


@dataclass(frozen=True)
class Done:
    """What came of an action.

    Attributes:
        action: its name.
        project_id: its project.
        amount: tasks that it concerned; for what starts, 1 if it did, and 0 if it went on already; for what
            changes something, 1 if it did.
    """

    action: str
    project_id: int
    amount: int

    def sentence(self, name: str) -> str:
        """Say it for a person who calls the project *name*."""
        if self.action == "cancel":
            told = f"cancelled; {plural(self.amount, 'task')} will not be done"
        elif self.action == "retry-failed":
            told = f"{plural(self.amount, 'failed task')} will be tried again"
        else:
            told = _TOLD[self.action][bool(self.amount)]
        return f"{name}: {told}."

    def as_json(self) -> dict[str, Any]:
        """Say it for a program."""
        about = {"action": self.action, "project": self.project_id}
        if self.action in _OF_TASKS:
            return {**about, "tasks": self.amount}
        if self.action in _CHANGES:
            return {**about, "changed": bool(self.amount)}
        return {**about, "started": bool(self.amount)}


class Actions:
    """Takes the actions, by name."""

    def __init__(self, queue: JobQueue) -> None:
        runs = Runs(queue)
        self._generations = Generations(queue)
        self._by_name: dict[str, Callable[[int], int]] = {
            "run": runs.start,
            "cancel": runs.cancel,
            "retry-failed": runs.retry_failed,
            "warm-up": WarmUps(queue).start,
            LEARN_NOW: self._generations.learn_now,
        }

    def take(self, action: str, project_id: int) -> Done:
        """Take the action; *action* is one of ``NAMES``."""
        return Done(action, project_id, int(self._by_name[action](project_id)))

    def let_teach(self, action: str, project_id: int, annotation_id: int) -> Done:
        """Exclude an annotation from teaching, or include it again; *action* is one of ``OF_ANNOTATIONS``."""
        change = self._generations.exclude if action == "exclude" else self._generations.include
        return Done(action, project_id, int(change(project_id, annotation_id)))

    def make_current(self, project_id: int, version: str) -> Done:
        """Make a generation the current one again."""
        return Done(MAKE_CURRENT, project_id, int(self._generations.make_current(project_id, version)))


def done_of(action: str, project_id: str, amount: str) -> Done | None:
    """Read what the address of the page says was done; None if it cannot be."""
    numbers = [
        text for text in (project_id, amount) if text.isascii() and text.isdecimal() and len(text) < 19
    ]
    known = action in NAMES or action in _CHANGES
    return Done(action, *map(int, numbers)) if known and len(numbers) == 2 else None
