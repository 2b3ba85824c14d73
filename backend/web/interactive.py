"""Requests of people who use a smart tool, and wait: the only ones that wait for a worker."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Literal

from backend.jobs.interactive import Question, Questions
from backend.jobs.queue import JobQueue
from backend.web.errors import BodyError, FieldError
from backend.web.protocol import PredictRequest

Help = Literal["thing", "similar", "off"]

MOST_WAITING = 6  # half of the server's threads: the others answer everybody else

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InteractiveRequest:
    """Somebody points at something in one task's image.

    Attributes:
        project_id: the project.
        task_id: the task.
        regions: what was drawn with smart tools; none when the last of it was deleted.
        drafted: what else that person has drawn in the image, and not submitted yet.
    """

    project_id: int
    task_id: int
    regions: tuple[Mapping[str, Any], ...]
    drafted: tuple[Mapping[str, Any], ...] = ()


def interactive_request(
    body: dict[str, Any], data: bytes = b"", *, with_drafts: bool = False
) -> InteractiveRequest | None:
    """Take it out of the body of ``POST /predict``; None for a request that no smart tool has led to.

    Args:
        body: as ``json_object`` reads it, or whole.
        data: the same, unread, with what was painted, which *body* lacks; empty: it is whole.
        with_drafts: whether drafts are of interest.

    Raises:
        RequestError: it is not what Label Studio sends.
    """
    if _context(body) is None:
        return None
    asked = PredictRequest.of(body)
    if len(asked.task_ids) != 1:
        raise FieldError(f"expected a context with one task, got {len(asked.task_ids)} tasks")
    regions = _regions(body)
    if data and (with_drafts or any("rle" in _value(each) for each in regions)):
        body = _whole(data)
    drafted = tuple(_drafted(body["tasks"][0])) if with_drafts else ()
    return InteractiveRequest(asked.project_id, asked.task_ids[0], _regions(body), drafted)


class Interactive:
    """Has workers answer, for a few people at once.

    Args:
        queue: where questions go.
        brings: what the answer holds.
        wait_s: seconds to wait for it.
    """

    def __init__(self, queue: JobQueue, *, brings: Help, wait_s: float) -> None:
        self._questions = Questions(queue)
        self._brings = brings
        self._wait_s = wait_s
        self._places = BoundedSemaphore(MOST_WAITING)

    @property
    def wants_drafts(self) -> bool:
        """Whether what a person has drawn already makes a difference."""
        return self._brings == "similar"

    def regions(self, request: InteractiveRequest) -> list[dict[str, Any]]:
        """Give the regions that the editor is to show; none if nobody could say in time."""
        if self._brings == "off" or not request.regions:
            return []
        question = Question(
            *(request.project_id, request.task_id, request.regions),
            similar=self._brings == "similar",
            known=request.drafted,
        )
        if not self._places.acquire(blocking=False):
            logger.warning("task %d: too many wait for an answer already", request.task_id)
            return []
        try:
            found = self._questions.ask(question, wait_s=self._wait_s)
        finally:
            self._places.release()
        if found is None:
            logger.warning("task %d: no worker has answered in %.1f s", request.task_id, self._wait_s)
        return found or []


def _whole(data: bytes) -> dict[str, Any]:
    """Parse a body with its masks; without them it was a JSON object already."""
    try:
        return dict(json.loads(data))
    except ValueError as exc:
        raise BodyError(f"expected masks as arrays of numbers, got something else: {exc}") from exc


def _context(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    params = body.get("params")
    context = params.get("context") if isinstance(params, dict) else None
    return context if isinstance(context, dict) else None


def _regions(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    regions = (_context(body) or {}).get("result") or []
    if not isinstance(regions, list) or not all(isinstance(each, dict) for each in regions):
        raise FieldError("expected the context's result to be a list of regions, got something else")
    return tuple(regions)


def _drafted(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The regions of a task's drafts; Label Studio sends those of the person who asks."""
    drafts = task.get("drafts")
    for draft in drafts if isinstance(drafts, list) else []:
        result = draft.get("result") if isinstance(draft, dict) else None
        yield from (each for each in (result if isinstance(result, list) else []) if isinstance(each, dict))


def _value(region: Mapping[str, Any]) -> Mapping[str, Any]:
    value = region.get("value")
    return value if isinstance(value, dict) else {}
