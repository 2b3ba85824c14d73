"""Label Studio's API, as far as the worker needs it, over label-studio-sdk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.labelstudio.references import Annotations


@dataclass(frozen=True)
class Project:
    """What is needed of a project."""

    id: int
    title: str
    label_config: str
    model_version: str


@dataclass(frozen=True)
class Task:
    """What is needed of a task: ``data`` holds the raw addresses."""

    id: int
    data: Mapping[str, Any]
    is_annotated: bool = False


class LabelStudio:
    """One Label Studio, seen with one user's API key (legacy token or personal access token)."""

    def __init__(self, url: str, api_key: str, *, timeout_s: float = 30) -> None:
        raise NotImplementedError

    def authorisation(self) -> str:
        """The ``Authorization`` header's value, valid now (``ImageFetcher``'s *authorise*)."""
        raise NotImplementedError

    def project(self, project_id: int) -> Project:
        """One project.

        Raises:
            NotFoundError: there is none, or the user may not see it.
        """
        raise NotImplementedError

    def annotations(self, project_id: int) -> Annotations:
        """The finished annotations of the project, for ``references.pick_references``."""
        raise NotImplementedError

    def iter_unfinished_tasks(self, project_id: int, model_version: str) -> Iterator[Task]:
        """The tasks without a person's annotation and without a prediction of *model_version*."""
        raise NotImplementedError

    def tasks(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """Those of *task_ids* that still exist in the project."""
        raise NotImplementedError

    def replace_predictions(
        self,
        project_id: int,
        model_version: str,
        predictions: Sequence[Mapping[str, Any]],
        *,
        label_config: str,
    ) -> None:
        """Store *predictions* (of ``regions.prediction``) in place of earlier ones of the same version.

        Raises:
            PredictionRefusedError: one does not fit *label_config*, or fewer were stored than sent.
        """
        raise NotImplementedError

    def authorise_webhook(
        self, project_id: int, webhook_url_suffix: str = "/webhook", *, user: str, password: str
    ) -> None:
        """Have the webhook of the project's ML backend send our events, with our basic auth if *user* is set.

        Created if missing; nothing is changed, and our own server not called, when it is right already.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the connections."""
        raise NotImplementedError
