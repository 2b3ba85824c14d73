"""What a job is told: ids only, as JSON, checked on both ends of the queue."""

from dataclasses import asdict, dataclass
from typing import Any

from backend.jobs.errors import PayloadError


@dataclass(frozen=True)
class SyncProject:
    """Find the project's references and queue the tasks that lack a prediction made from them."""

    project_id: int

    def __post_init__(self) -> None:
        _require_id("project_id", self.project_id)

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
        _require_id("project_id", self.project_id)
        if not isinstance(self.model_version, str) or not self.model_version:
            raise PayloadError(f"expected model_version to be a non-empty string, got {self.model_version!r}")
        for task_id in self.task_ids:
            _require_id("task id", task_id)

    def as_kwargs(self) -> dict[str, Any]:
        """Give the arguments of ``predict_tasks`` as plain JSON values."""
        return {**asdict(self), "task_ids": list(self.task_ids)}


def _require_id(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise PayloadError(f"expected {name} to be a positive integer, got {value!r}")
