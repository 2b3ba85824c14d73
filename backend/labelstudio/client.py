"""Label Studio's API, as far as the worker needs it, over label-studio-sdk.

Never ``GET /api/tasks/{id}``: Label Studio would call our own ``/predict`` to answer it.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Self

import httpx
import label_studio_sdk

from backend.labelstudio.annotations import AnnotatedTask, ProjectAnnotations
from backend.labelstudio.connections import (
    Connection,
    MlBackend,
    Webhook,
    refused_address,
    wrong_but_for_address,
)
from backend.labelstudio.errors import NotFoundError, PredictionRefusedError, RequestRefusedError
from backend.labelstudio.origin import merely_converted, objects, parent_of
from backend.labelstudio.predictions import check_predictions
from backend.labelstudio.references import Annotation
from backend.labelstudio.sdk_errors import check_status, label_studio_errors
from backend.labelstudio.task_query import (
    Filter,
    annotated,
    changed_since,
    newest_query,
    not_annotated,
    reviewable,
    selection_query,
    several_predictions,
    task_query,
    with_prediction_of,
    without_draft,
    without_prediction_of,
)
from backend.labelstudio.tokens import ApiKey, Authorised
from backend.labelstudio.webhooks import has_settings, webhook_settings, with_own_headers

_PAGE = 100
_ADDRESSES_HOLD_S = 300  # of ML backends; reconciliation comes every ten minutes
_IMPORT_PATIENCE = 3  # times the usual timeout: Label Studio counts all tasks of the project again


@dataclass(frozen=True)
class Project:
    """What is needed of a project.

    Attributes:
        id: the project's.
        title: of the project.
        label_config: of the project.
        model_version: of the predictions that annotators are shown, or the title of an ML backend.
        ground_truths: how many of its annotations have a star.
        sampling: the order in which tasks are handed out, in Label Studio's words.
        prelabels: whether annotators are to begin with predictions.
    """

    id: int
    title: str
    label_config: str
    model_version: str
    ground_truths: int = 0
    sampling: str = ""
    prelabels: bool = False


@dataclass(frozen=True)
class Task:
    """What is needed of a task.

    Attributes:
        id: the task's.
        data: its raw addresses.
        is_annotated: whether a person's annotation counts.
        model_versions: of its predictions, where it was asked for by its id.
    """

    id: int
    data: Mapping[str, Any]
    is_annotated: bool = False
    model_versions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class TaskPage:
    """Some tasks of a project by id, and how many are left behind them."""

    tasks: tuple[Task, ...]
    left: int


class LabelStudio:
    """One Label Studio, seen with one user's API key. To be closed, or used as a context manager.

    Every method raises ``TransientError`` when Label Studio is unreachable, too slow, overloaded or failing,
    and ``TokenRefusedError`` when it refuses the key.

    Args:
        url: Label Studio's address.
        api_key: a personal access token or a legacy token.
        timeout_s: seconds one step of a request may take.

    Raises:
        RequestRefusedError: *url* cannot be one.
        TokenRefusedError: *api_key* cannot be one.
    """

    def __init__(self, url: str, api_key: str, *, timeout_s: float = 30) -> None:
        self._url = _address(url)
        self._http = httpx.Client(timeout=timeout_s, follow_redirects=False)
        self._import_timeout = httpx.Timeout(timeout_s, read=_IMPORT_PATIENCE * timeout_s)
        self._annotations: dict[int, ProjectAnnotations] = {}
        self._webhook_urls: dict[
            int, tuple[float, frozenset[str]]
        ] = {}  # when they were asked for, and which
        self._key = ApiKey(self._url, api_key, self._http)
        self._http.auth = Authorised(self._key)
        sdk: Any = label_studio_sdk.LabelStudio  # hardly typed: what it returns is checked here
        self._sdk = sdk(
            base_url=self._url,
            api_key="unused",  # the HTTP client authorises every request
            httpx_client=self._http,
            max_retries=0,
        )

    def authorisation(self) -> str:
        """The ``Authorization`` header's value, valid now (``ImageFetcher``'s *authorise*)."""
        return self._key.authorisation()

    def user(self) -> str:
        """The e-mail address of the API key's user: a check of address and key in one."""
        with self._errors("read the user of the API key"):
            return str(self._sdk.users.whoami().email)

    def project(self, project_id: int) -> Project:
        """One project.

        Raises:
            NotFoundError: there is none, or the user may not see it.
        """
        with self._errors(f"read project {project_id}"):
            found = self._sdk.projects.get(project_id)
        return Project(
            id=project_id,
            title=found.title or "",
            label_config=found.label_config or "",
            model_version=found.model_version or "",
            ground_truths=found.ground_truth_number or 0,
            sampling=str(getattr(found.sampling, "value", found.sampling) or ""),
            prelabels=bool(found.show_collab_predictions),
        )

    def change_project(self, project_id: int, **fields: str) -> None:
        """Set fields of the project: ``model_version``, ``sampling``.

        Raises:
            RequestRefusedError: there is no prediction of that version, or no such order.
        """
        with self._errors(f"change {', '.join(sorted(fields))} of project {project_id}"):
            check_status(self._http.patch(f"{self._url}/api/projects/{project_id}/", json=fields), 200)

    def prediction_versions(self, project_id: int) -> dict[str, int]:
        """How many predictions of the project there are by their version."""
        with self._errors(f"list the versions of the predictions of project {project_id}"):
            reply = self._http.get(f"{self._url}/api/projects/{project_id}/model-versions/")
            check_status(reply, 200)
            return {str(version): int(count) for version, count in reply.json().items()}

    def untouched_tasks(
        self, project_id: int, *, with_version: str, after_id: int = 0, limit: int = _PAGE
    ) -> list[int]:
        """Up to *limit* tasks behind *after_id* with a prediction of a version and no annotation or draft."""
        filters = [not_annotated(), without_draft(), with_prediction_of(with_version)]
        page = self._list_tasks(project_id, task_query(filters, after_id=after_id), page_size=limit)
        return list(dict.fromkeys(task["id"] for task in page.tasks))

    def delete_predictions(self, task_id: int, model_version: str) -> int:
        """Delete what the task has of *model_version*; how many that was."""
        ids = self._prediction_ids(task_id, model_version)
        for prediction_id in ids:
            self._delete_prediction(prediction_id)
        return len(ids)

    def annotations(self, project_id: int) -> ProjectAnnotations:
        """The annotations of the project, for ``references.pick_references``."""
        return self._annotations.setdefault(project_id, ProjectAnnotations(self, project_id))

    def task_annotations(self, project_id: int, task_ids: Sequence[int]) -> list[Annotation]:
        """The annotations of those of *task_ids* (at most 100) that still exist."""
        page = self._list_tasks(project_id, selection_query(task_ids), fields="all")
        return [
            _annotation(each, _task(task), objects(task.get("predictions")))
            for task in page.tasks
            for each in task.get("annotations") or []
        ]

    def task_contents(self, project_id: int, task_ids: Sequence[int]) -> list[Mapping[str, Any]]:
        """Those of *task_ids* (at most 100) that still exist, with all their annotations and predictions."""
        return list(self._list_tasks(project_id, selection_query(task_ids), fields="all").tasks)

    def reviewable_tasks(
        self, project_id: int, *, since: str = "", after_id: int = 0, limit: int = _PAGE
    ) -> list[Mapping[str, Any]]:
        """Up to *limit* tasks behind *after_id* that have both annotations and predictions, with all of them.

        Args:
            project_id: the project.
            since: only tasks that changed then or later (``changed_since``); empty: all.
            after_id: 0 for the first ones.
            limit: at most 100.
        """
        filters = [*reviewable(), *([changed_since(since)] if since else [])]
        query = task_query(filters, after_id=after_id)
        return list(self._list_tasks(project_id, query, fields="all", page_size=limit).tasks)

    def last_reviewable(self, project_id: int) -> tuple[int, str]:
        """How many tasks have both annotations and predictions, and when the last of them changed."""
        page = self._list_tasks(project_id, newest_query(reviewable()), page_size=1)
        return page.total, str(page.tasks[0].get("updated_at") or "") if page.tasks else ""

    def still_reviewable(self, project_id: int, task_ids: Sequence[int]) -> set[int]:
        """Those of *task_ids* (at most 100) that still have both annotations and predictions."""
        query = selection_query(task_ids, reviewable())
        if self._list_tasks(project_id, query, page_size=1).total == len(set(task_ids)):
            return set(task_ids)
        return {int(task["id"]) for task in self._list_tasks(project_id, query).tasks}

    def iter_annotated_tasks(self, project_id: int) -> Iterator[AnnotatedTask]:
        """The tasks that have an annotation, by id. Costs Label Studio as much as to read them whole."""
        for task in self._iter_tasks(project_id, [*annotated(), without_prediction_of()]):
            yield AnnotatedTask(
                *(task["id"], str(task.get("annotations_ids") or ""), task.get("total_annotations") or 0),
                versions=_task(task).model_versions,
                changed_at=str(task.get("updated_at") or ""),
            )

    def task_page(
        self, project_id: int, *, after_id: int = 0, limit: int = _PAGE, without_version: str | None = None
    ) -> TaskPage:
        """Up to *limit* tasks (at most 100) behind *after_id*, by id.

        Args:
            project_id: the project.
            after_id: 0 for the first page.
            limit: of the page.
            without_version: only tasks without a person's annotation or draft and without a prediction of
                this version.
        """
        filters = (
            []
            if without_version is None
            else [not_annotated(), without_draft(), without_prediction_of(without_version)]
        )
        page = self._list_tasks(project_id, task_query(filters, after_id=after_id), page_size=limit)
        return TaskPage(tuple(map(_task, page.tasks)), max(0, page.total - len(page.tasks)))

    def project_ids(self) -> list[int]:
        """The projects that the user may see."""
        found: list[int] = []
        number = 1
        with self._errors("list the projects"):
            while True:
                page = self._sdk.projects.list(include="id", page=number, page_size=_PAGE).response
                found += [int(each.id) for each in page.results]
                if not page.next:  # the SDK's own pages go on until Label Studio refuses one
                    return found
                number += 1

    def backend_versions(self, project_id: int) -> list[str]:
        """The model versions that the project's ML backends named last. Label Studio asks them all anew."""
        with self._errors(f"read the ML backends of project {project_id}"):
            return [str(each.model_version or "") for each in self._sdk.ml.list(project=project_id)]

    def ml_backends(self, project_id: int) -> list[MlBackend]:
        """The project's ML backends, as Label Studio finds them now: it asks each before it answers."""
        with self._errors(f"read the ML backends of project {project_id}"):
            return [MlBackend.of(each) for each in self._sdk.ml.list(project=project_id)]

    def webhooks(self, project_id: int) -> list[Webhook]:
        """The project's webhooks."""
        with self._errors(f"read the webhooks of project {project_id}"):
            return [Webhook.of(each) for each in self._sdk.webhooks.list(project=str(project_id))]

    def require_predictions_right(self, project_id: int) -> None:
        """Ask whether the user may store predictions in the project: of no task, so none is stored.

        Raises:
            TokenRefusedError: they may not.
        """
        with self._errors(f"store predictions in project {project_id}"):
            reply = self._http.post(
                f"{self._url}/api/projects/{project_id}/import/predictions", json=[{"task": 0, "result": []}]
            )
            check_status(reply, 400)

    def refusal(self, kind: Connection, url: str) -> str | None:
        """Why Label Studio would not connect to *url*: its network is reserved, its name unknown; else None.

        Nothing is stored: what is asked for is wrong in another field, and addresses are looked at first.
        """
        path, body = wrong_but_for_address(kind, url)
        with self._errors("ask which addresses it connects to"):
            reply = self._http.post(f"{self._url}{path}", json=body)
            found = refused_address(reply)
            if found is None:
                check_status(reply, 400)
            return found

    def tasks(self, project_id: int, task_ids: Sequence[int]) -> list[Task]:
        """Those of *task_ids* that still exist in the project, with the versions of their predictions."""
        found: list[Task] = []
        for start in range(0, len(task_ids), _PAGE):
            query = selection_query(task_ids[start : start + _PAGE])
            found += map(_task, self._list_tasks(project_id, query).tasks)
        return found

    def replace_predictions(
        self,
        project_id: int,
        model_version: str,
        predictions: Sequence[Mapping[str, Any]],
        *,
        label_config: str,
        without: Collection[int] = (),
    ) -> None:
        """Store *predictions* (of ``regions.prediction``) in place of earlier ones of the same version.

        Args:
            project_id: of all of them.
            model_version: of all of them.
            predictions: any number, in one request.
            label_config: of the project.
            without: tasks that are known to have no earlier one: they need not be asked about.

        Raises:
            PredictionRefusedError: one does not fit *label_config*, or fewer were stored than sent.
        """
        if not predictions:
            return
        check_predictions(predictions, model_version, label_config)
        for task_id in {int(item["task"]) for item in predictions} - set(without):
            self.delete_predictions(task_id, model_version)
        created = self._import_predictions(project_id, predictions)
        if created != len(predictions):
            raise PredictionRefusedError(
                f"expected Label Studio to store {len(predictions)} predictions, it stored {created}: "
                "the rest does not fit the label config as it is now"
            )

    def crowded_tasks(self, project_id: int, model_version: str, *, looked_at: int) -> list[int]:
        """The tasks with more predictions than versions of them, and no annotation or draft.

        Args:
            project_id: the project.
            model_version: that one of the versions is.
            looked_at: most tasks with several predictions to look at.
        """
        tasks = self._iter_tasks(project_id, [not_annotated(), without_draft(), several_predictions()])
        return [
            task["id"]
            for task in islice(tasks, looked_at)
            if model_version in (versions := _task(task).model_versions)
            and int(task.get("total_predictions") or 0) > len(versions)
        ]

    def keep_newest_prediction(self, task_id: int, model_version: str) -> None:
        """Delete what the task has of *model_version* besides the prediction that was stored last."""
        for prediction_id in self._prediction_ids(task_id, model_version)[:-1]:
            self._delete_prediction(prediction_id)

    def look_after_webhook(
        self, project_id: int, webhook_url_suffix: str = "/webhook", *, user: str = "", password: str = ""
    ) -> None:
        """Have the webhook of the project's ML backend send our events, with our basic auth if *user* is set.

        Created if missing; nothing is changed when it is right already. Other webhooks are left alone: the
        password goes to the addresses of the project's ML backends only. Where these are Label Studio calls
        them to tell, so it is asked anew only after a while, or when a webhook is wrong.
        """
        wanted = webhook_settings(user, password)
        with self._errors(f"read the webhooks of project {project_id}"):
            webhooks = self._sdk.webhooks.list(project=str(project_id))
        right = {each.url for each in webhooks if has_settings(each, wanted)}
        asked_at, known = self._webhook_urls.get(project_id, (0.0, frozenset[str]()))
        if known and known <= right and time.monotonic() - asked_at < _ADDRESSES_HOLD_S:
            return
        with self._errors(f"set up the webhook of project {project_id}"):
            ours = frozenset(
                str(each.url).rstrip("/") + webhook_url_suffix
                for each in self._sdk.ml.list(project=project_id)
            )
            for each in webhooks:
                if each.url in ours - right and each.id is not None:
                    self._sdk.webhooks.update(each.id, **with_own_headers(each, wanted))
            for url in ours - {each.url for each in webhooks}:
                self._sdk.webhooks.create(url=url, project=project_id, **wanted)
        self._webhook_urls[project_id] = time.monotonic(), ours

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return label_studio_errors(self._url, doing)

    def _iter_tasks(self, project_id: int, filters: Sequence[Filter]) -> Iterator[Mapping[str, Any]]:
        after_id = 0
        while page := self._list_tasks(project_id, task_query(filters, after_id=after_id)).tasks:
            yield from page
            after_id = page[-1]["id"]
            if len(page) < _PAGE:
                return

    def _list_tasks(
        self, project_id: int, query: str, *, fields: str = "task_only", page_size: int = _PAGE
    ) -> "_Listed":
        """The first page of tasks, with their addresses as stored; *fields* "all" adds the annotations.

        Without the SDK, whose objects cost a hundred times what the JSON does.
        """
        asked: dict[str, str | int] = {
            "project": project_id,
            "query": query,
            "page": 1,
            "page_size": page_size,
        }
        with self._errors(f"list the tasks of project {project_id}"):
            reply = self._http.get(
                f"{self._url}/api/tasks/", params={**asked, "fields": fields, "resolve_uri": "false"}
            )
            check_status(reply, 200)
            return _Listed.of(reply.json())

    def _prediction_ids(self, task_id: int, model_version: str) -> list[int]:
        """Those of *model_version*, the oldest first."""
        with self._errors(f"read the predictions of task {task_id}"):
            stored = self._sdk.predictions.list(task=task_id)
        return sorted(
            int(each.id) for each in stored if each.model_version == model_version and each.id is not None
        )

    def _delete_prediction(self, prediction_id: int) -> None:
        try:
            with self._errors(f"delete prediction {prediction_id}"):
                self._sdk.predictions.delete(prediction_id)
        except NotFoundError:
            return  # someone else did

    def _import_predictions(self, project_id: int, predictions: Sequence[Mapping[str, Any]]) -> int:
        """How many were stored. Without the SDK, which takes 5 microseconds for each of the many numbers."""
        with self._errors(f"store predictions in project {project_id}"):
            reply = self._http.post(
                f"{self._url}/api/projects/{project_id}/import/predictions",
                json=list(predictions),
                timeout=self._import_timeout,
            )
            check_status(reply, 201)
            return int(reply.json().get("created", 0))


def _address(url: str) -> str:
    """*url* without a slash at its end; one with credentials is refused, in a message without them."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise RequestRefusedError(f"expected LABEL_STUDIO_URL like http://localhost:8080: {exc}") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RequestRefusedError("expected LABEL_STUDIO_URL like http://localhost:8080, got none of http(s)")
    if parsed.userinfo:
        raise RequestRefusedError(
            "expected LABEL_STUDIO_URL without a user name and a password, got some: the API key goes in the "
            "header that they would need; give an address of Label Studio behind its proxy, or have that "
            "let requests with a key through"
        )
    return str(parsed).rstrip("/")


@dataclass(frozen=True)
class _Listed:
    """A page of Label Studio's task list: tasks as they come, each with a whole number as its ``id``."""

    tasks: tuple[Mapping[str, Any], ...]
    total: int

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Read an answer; raises what a malformed one makes Python raise."""
        tasks = tuple({**task, "id": int(task["id"])} for task in content["tasks"])
        return cls(tasks, int(content["total"]))


def _task(task: Mapping[str, Any]) -> Task:
    versions = str(task.get("predictions_model_versions") or "")
    return Task(
        *(task["id"], task.get("data") or {}, bool(task.get("total_annotations"))),
        frozenset(filter(None, versions.split(","))),
    )


def _annotation(
    fields: Mapping[str, Any], task: Task, predictions: Sequence[Mapping[str, Any]]
) -> Annotation:
    parent = fields.get("parent_prediction")
    if parent is None and (found := parent_of(fields, predictions)):
        parent = found.get("id")
    return Annotation(
        id=int(fields["id"]),
        task_id=task.id,
        task_data=task.data,
        result=tuple(objects(fields.get("result"))),
        was_cancelled=bool(fields.get("was_cancelled")),
        ground_truth=bool(fields.get("ground_truth")),
        parent_prediction=parent,
        converted=merely_converted(fields),
    )
