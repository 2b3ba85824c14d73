"""What a job is told: ids only, as JSON, checked on both ends of the queue."""

from dataclasses import asdict, dataclass
from typing import Any

from backend.jobs.errors import PayloadError


@dataclass(frozen=True)
class SyncProject:
    """Find the project's references and queue the tasks that lack a prediction made from them."""

    project_id: int

    def __post_init__(self) -> None:
        require_id("project_id", self.project_id)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of ``sync_project`` as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class PredictTasks:
    """Predict a few tasks of one project with one generation."""

    project_id: int
    model_version: str
    task_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "task_ids", tuple(self.task_ids))  # JSON brings a list
        require_id("project_id", self.project_id)
        require_name("model_version", self.model_version)
        for task_id in self.task_ids:
            require_id("task id", task_id)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of ``predict_tasks`` as plain JSON values."""
        return {**asdict(self), "task_ids": list(self.task_ids)}


@dataclass(frozen=True)
class OfGeneration:
    """Something about a project's generation as a whole."""

    project_id: int
    model_version: str

    def __post_init__(self) -> None:
        require_id("project_id", self.project_id)
        require_name("model_version", self.model_version)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of the job's function as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class ListTasks(OfGeneration):
    """Read the next page of a project's unfinished tasks."""


@dataclass(frozen=True)
class ShowGeneration(OfGeneration):
    """Show annotators the predictions of a generation whose run is over."""


@dataclass(frozen=True)
class Tidy(OfGeneration):
    """Remove predictions older than a generation from the next few tasks behind *after_id*."""

    after_id: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require_place("after_id", self.after_id)


@dataclass(frozen=True)
class WarmUp:
    """Embed the next few images of a project, those of the tasks behind *after_id*."""

    project_id: int
    token: str
    after_id: int

    def __post_init__(self) -> None:
        require_id("project_id", self.project_id)
        require_name("token", self.token)
        require_place("after_id", self.after_id)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of ``warm_up`` as plain JSON values."""
        return asdict(self)


def require_place(name: str, value: object) -> None:
    """Raise ``PayloadError`` unless *value*, called *name*, is the id of a task, or 0: before all of them."""
    if value != 0:
        require_id(name, value)


def require_id(name: str, value: object) -> None:
    """Raise ``PayloadError`` unless *value*, called *name*, is a positive integer."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise PayloadError(f"expected {name} to be a positive integer, got {value!r}")


def require_name(name: str, value: object) -> None:
    """Raise ``PayloadError`` unless *value*, called *name*, is a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise PayloadError(f"expected {name} to be a non-empty string, got {value!r}")
