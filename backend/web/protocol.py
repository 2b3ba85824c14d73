"""What Label Studio 1.23 asks, as values: only the ids that we need, checked."""

import re
from dataclasses import dataclass
from typing import Any

from backend.web.errors import FieldError

SYNC_ACTIONS = frozenset(
    {
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_DELETED",
        "TASKS_CREATED",
        "TASKS_DELETED",
        "PROJECT_UPDATED",
        "START_TRAINING",
    }
)
_LARGEST_ID = 2**63 - 1
_LONGEST_SHOWN = 60
_LONGEST_ADDRESS = 300
_ADDRESS = re.compile(r"https?://[^\s/\"'<>]+(/[^\s\"'<>]*)?")


@dataclass(frozen=True)
class SetupRequest:
    """A project shows its label config, and where browsers find Label Studio, if it says so."""

    project_id: int
    label_config: str
    hostname: str | None = None

    @classmethod
    def of(cls, body: dict[str, Any]) -> "SetupRequest":
        """Take it out of the body of ``POST /setup``."""
        label_config = body.get("schema")
        if not isinstance(label_config, str):
            raise FieldError(
                f"expected schema to be the label config as a string, got {_shown(label_config)}"
            )
        return cls(_project_id(body), label_config, _address(body.get("hostname")))


@dataclass(frozen=True)
class PredictRequest:
    """A project wants predictions of tasks, in the order of the answer."""

    project_id: int
    task_ids: tuple[int, ...]

    @classmethod
    def of(cls, body: dict[str, Any]) -> "PredictRequest":
        """Take it out of the body of ``POST /predict``."""
        tasks = body.get("tasks")
        if not isinstance(tasks, list):
            raise FieldError(f"expected tasks to be a list, got {_shown(tasks)}")
        return cls(_project_id(body), tuple(_id_of(task, "task") for task in tasks))


@dataclass(frozen=True)
class WebhookEvent:
    """Something happened in a project.

    Attributes:
        action: the event's name.
        project_id: None where the event does not matter to us.
        deleted_task_ids: tasks that are gone.
        is_review: a person has submitted a prediction, as it was or corrected: one such event comes per task.
    """

    action: str
    project_id: int | None
    deleted_task_ids: tuple[int, ...] = ()
    is_review: bool = False

    @classmethod
    def of(cls, body: dict[str, Any]) -> "WebhookEvent":
        """Take it out of the body of ``POST /webhook``."""
        action = body.get("action")
        if not isinstance(action, str):
            raise FieldError(f"expected action to be the name of an event, got {_shown(action)}")
        if action not in SYNC_ACTIONS:
            return cls(action, None)
        deleted = body.get("tasks") if action == "TASKS_DELETED" else []
        if not isinstance(deleted, list):
            raise FieldError(f"expected tasks to be a list, got {_shown(deleted)}")
        return cls(
            *(action, _project_id(body), tuple(_id_of(task, "task") for task in deleted)),
            is_review=_is_review(action, body.get("annotation")),
        )


def _is_review(action: str, annotation: object) -> bool:
    return (
        action == "ANNOTATION_CREATED"
        and isinstance(annotation, dict)
        and annotation.get("parent_prediction") is not None
    )


def _address(value: object) -> str | None:
    """Give an address that may become a link; None for anything else."""
    fits = isinstance(value, str) and len(value) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(value)
    return fits.group() if fits else None


def _project_id(body: dict[str, Any]) -> int:
    """Read the project: ``"2.1795358851"`` (id and birth) from the connector, ``{"id": 2}`` in webhooks."""
    project = body.get("project")
    if isinstance(project, str):
        project = _number(project.partition(".")[0])
    if isinstance(project, dict):
        return _id_of(project, "project")
    return _id_of({"id": project}, "project")


def _id_of(value: object, kind: str) -> int:
    found = value.get("id") if isinstance(value, dict) else value
    if (
        isinstance(value, dict)
        and isinstance(found, int)
        and not isinstance(found, bool)
        and 0 < found <= _LARGEST_ID
    ):
        return found
    raise FieldError(
        f"expected a {kind} with a positive integer id, got {_shown(found)}; check what sends this"
    )


def _number(digits: str) -> int | str:
    return (
        int(digits)
        if digits.isascii() and digits.isdecimal() and len(digits) < len(str(_LARGEST_ID))
        else digits
    )


def _shown(value: object) -> str:
    """Describe a value that came: never a long one, it may be anything."""
    if value is None:
        return "nothing"
    if isinstance(value, int | float):
        return f"{str(value)[:_LONGEST_SHOWN]}"
    return f"a value of type {type(value).__name__}"
