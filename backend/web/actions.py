"""What the buttons of the status page set in motion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backend.jobs.queue import JobQueue
from backend.jobs.runs import Runs
from backend.jobs.warm_ups import WarmUps
from backend.web.formatting import plural

NAMES = ("run", "cancel", "retry-failed", "warm-up")
_OF_TASKS = frozenset({"cancel", "retry-failed"})


@dataclass(frozen=True)
class Done:
    """What came of an action.

    Attributes:
        action: one of ``NAMES``.
        project_id: its project.
        amount: tasks that it concerned; for what starts, 1 if it did, and 0 if it went on already.
    """

    action: str
    project_id: int
    amount: int

    def sentence(self, name: str) -> str:
        """Say it for a person who calls the project *name*."""
        if self.action == "run":
            told = (
                "the run starts" if self.amount else "a look for the reference waits already, the run follows"
            )
        elif self.action == "cancel":
            told = f"cancelled; {plural(self.amount, 'task')} will not be done"
        elif self.action == "retry-failed":
            told = f"{plural(self.amount, 'failed task')} will be tried again"
        else:
            told = "its images are being prepared" + ("" if self.amount else " already")
        return f"{name}: {told}."

    def as_json(self) -> dict[str, Any]:
        """Say it for a program."""
        about = {"action": self.action, "project": self.project_id}
        if self.action in _OF_TASKS:
            return {**about, "tasks": self.amount}
        return {**about, "started": bool(self.amount)}


class Actions:
    """Takes the actions, by name."""

    def __init__(self, queue: JobQueue) -> None:
        runs = Runs(queue)
        self._by_name: dict[str, Callable[[int], int]] = {
            "run": runs.start,
            "cancel": runs.cancel,
            "retry-failed": runs.retry_failed,
            "warm-up": WarmUps(queue).start,
        }

    def take(self, action: str, project_id: int) -> Done:
        """Take the action; *action* is one of ``NAMES``."""
        return Done(action, project_id, int(self._by_name[action](project_id)))


def done_of(action: str, project_id: str, amount: str) -> Done | None:
    """Read what the address of the page says was done; None if it cannot be."""
    numbers = [
        text for text in (project_id, amount) if text.isascii() and text.isdecimal() and len(text) < 19
    ]
    return Done(action, *map(int, numbers)) if action in NAMES and len(numbers) == 2 else None
