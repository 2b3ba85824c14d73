"""The model class for teams who deploy their ML backends with the package label-studio-ml.

Works with the API of PyPI's 1.0.9 and of 2.x. It computes nothing: like our own web process it asks the same
service, and ``oneshot worker`` does the work.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any

from flask import Response, after_this_request, has_request_context, request
from label_studio_ml import api
from label_studio_ml.model import LabelStudioMLBase

from backend.jobs.connection import connect
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.jobs.version import checkpoint_slug
from backend.settings import Settings
from backend.web.interactive import interactive_request
from backend.web.protocol import SYNC_ACTIONS, PredictRequest, SetupRequest, WebhookEvent
from backend.web.service import Service

if hasattr(api, "TRAIN_EVENTS"):  # 2.x drops events that are not in its list, deletions among them
    api.TRAIN_EVENTS = (*api.TRAIN_EVENTS, *sorted(SYNC_ACTIONS))


class OneshotModel(LabelStudioMLBase):  # type: ignore[misc] # the package lives in an environment of its own
    """One project's questions to the service.

    The server makes one for each ``/setup``. A model of 1.0.9 has no say in what is answered to that, and one
    of 2.x only through a cache; so the name of the generation is put into the answer.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        if has_request_context() and request.path.rstrip("/").endswith("/setup"):
            version = _service().setup(SetupRequest.of(request.get_json()))
            after_this_request(partial(_with_version, version))

    def predict(
        self,
        tasks: Sequence[Mapping[str, Any]],
        context: Mapping[str, Any] | None = None,
        **kwargs: object,  # noqa: ARG002 - the server passes what Label Studio sends besides
    ) -> list[Any]:
        """Answer one empty list per task: to Label Studio, "not yet". To a smart tool, what it points at."""
        if not tasks:
            return []
        body = {"tasks": tasks, "project": {"id": self._project_of(tasks[0])}, "params": {"context": context}}
        pointed = interactive_request(body, with_drafts=_service().wants_drafts)
        if pointed is not None:
            return [_service().interactive(pointed)]
        asked = PredictRequest.of(body)
        _service().predict(asked)
        return [[] for _ in asked.task_ids]

    def fit(self, event: str, data: Mapping[str, Any], **kwargs: object) -> dict[str, Any]:  # noqa: ARG002
        """Look into the project of an event that may change its reference or its tasks."""
        _service().webhook(WebhookEvent.of({**data, "action": event}))
        return {}

    def process_event(
        self, event: str, data: Mapping[str, Any], job_id: str, additional_params: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Take every event, also those that the base class does not know, or knows by a wrong name."""
        return self.fit(event, data, job_id=job_id, **additional_params)

    def _project_of(self, task: Mapping[str, Any]) -> object:
        """The project's id: it stands in the task; only in 2.x the model knows it, too."""
        known = str(getattr(self, "project_id", "") or "")
        return task.get("project") or (int(known) if known.isdecimal() else None)


def _service() -> Service:
    return _service_of(os.getpid())  # 1.0.9 forks for each event, and a connection must not be shared


@cache
def _service_of(_pid: int) -> Service:
    settings = Settings()
    connection = connect(settings.redis_url)
    return Service(
        JobQueue(connection, **settings.of_jobs),
        Progress(connection),
        checkpoint=checkpoint_slug(settings.oneshot_sam),
        interactive=settings.oneshot_interactive,
        interactive_s=settings.oneshot_interactive_s,
        learns=settings.oneshot_learning != "never",
    )


def _with_version(version: str, response: Response) -> Response:
    """Name our generation in the answer to ``/setup``; an error stays as it is."""
    if response.status_code == 200:
        response.set_data(json.dumps({**response.get_json(), "model_version": version}))
    return response
