"""What each request sets in motion. Only ``interactive`` waits for more than Redis."""

import hashlib
import logging
from typing import Any

from backend.jobs.addresses import Addresses
from backend.jobs.generations import Generations
from backend.jobs.pictures import Pictures
from backend.jobs.progress import Progress
from backend.jobs.queue import OPENED_AT_MOST, JobQueue
from backend.jobs.version import model_version
from backend.web.actions import LEARN_NOW, Actions, Done
from backend.web.errors import SwitchedOffError
from backend.web.interactive import Help, Interactive, InteractiveRequest
from backend.web.protocol import PredictRequest, SetupRequest, WebhookEvent

logger = logging.getLogger(__name__)

_RETRY_SYNC_S = 30
_REPEAT_SYNC_S = 600
_REVIEWED_SYNC_S = 60
_SHOWN_TASKS = 60


class Service:
    """Answers Label Studio at once, and queues what it takes to answer better later.

    Args:
        queue: where the work goes.
        progress: what is known of projects.
        checkpoint: slug of the model, for the version while there is no reference.
        label_studio_url: where browsers find Label Studio.
        label_studio_guess: where they may find it, if it has not said so itself.
        interactive: what smart tools bring.
        interactive_s: seconds that somebody who uses one waits for a worker.
        learns: whether workers learn from corrected predictions when a person asks for it.
    """

    def __init__(
        self,
        queue: JobQueue,
        progress: Progress,
        *,
        checkpoint: str,
        label_studio_url: str = "",
        label_studio_guess: str = "",
        interactive: Help = "thing",
        interactive_s: float = 10,
        learns: bool = True,
    ) -> None:
        self._queue = queue
        self._progress = progress
        self._checkpoint = checkpoint
        self._label_studio_url = label_studio_url
        self._label_studio_guess = label_studio_guess
        self._addresses = Addresses(queue.connection)
        self._actions = Actions(queue)
        self._generations = Generations(queue)
        self._interactive = Interactive(queue, brings=interactive, wait_s=interactive_s)
        self.pictures = Pictures(queue.connection)
        self.learns = learns

    def ping(self) -> None:
        """Find out whether work can be queued."""
        self._queue.ping()

    def versions(self) -> list[str]:
        """List the current versions of all projects."""
        return self._progress.model_versions() or [model_version(self._checkpoint)]

    def status(self) -> dict[str, Any]:
        """Give everything that is known of runs and workers, for a program."""
        return self._progress.snapshot()

    def shown(self) -> dict[str, Any]:
        """Give what the status page shows of it: many people may look, and it is read again and again."""
        return self._progress.snapshot(most_tasks=_SHOWN_TASKS)

    def label_studio_url(self) -> str:
        """Give Label Studio's address for links, without a slash at its end; empty if nobody knows it."""
        url = self._label_studio_url or self._addresses.label_studio() or self._label_studio_guess
        return url.rstrip("/")

    def act(self, action: str, project_id: int) -> Done:
        """Take an action that a person asks for on the status page.

        Raises:
            SwitchedOffError: a setting says that it never happens.
        """
        if action == LEARN_NOW and not self.learns:
            raise SwitchedOffError(
                "expected ONESHOT_LEARNING to be auto or manual, got never: nothing is learned from reviews"
            )
        return _told(self._actions.take(action, project_id))

    def let_teach(self, action: str, project_id: int, annotation_id: int) -> Done:
        """Exclude an annotation from teaching, or include it again."""
        return _told(self._actions.let_teach(action, project_id, annotation_id))

    def make_current(self, project_id: int, version: str) -> Done:
        """Make an old generation of a project the current one again."""
        return _told(self._actions.make_current(project_id, version))

    def setup(self, request: SetupRequest) -> str:
        """Name the project's current version; queue a sync if what we know may be out of date."""
        digest = hashlib.sha256(request.label_config.encode(errors="replace")).hexdigest()
        if request.hostname:
            self._addresses.note_label_studio(request.hostname)
        changed = self._progress.set_config(request.project_id, digest)
        project = self._progress.project(request.project_id)
        if changed or _is_old(project.model_version, project.synced_s_ago):
            self._enqueue_sync(request.project_id, "setup")
        return project.model_version or model_version(self._checkpoint)

    def predict(self, request: PredictRequest) -> None:
        """Queue the tasks, or a look for the reference that they need."""
        version = self._progress.model_version(request.project_id)
        if version is None:
            self._enqueue_sync(request.project_id, "predict")
            return
        opened = len(request.task_ids) <= OPENED_AT_MOST
        queued = self._queue.enqueue_tasks(
            request.project_id, version, request.task_ids, priority="opened" if opened else "bulk"
        )
        logger.info(
            "predict: project %d: %d of %d tasks queued", request.project_id, queued, len(request.task_ids)
        )

    @property
    def wants_drafts(self) -> bool:
        """Whether ``interactive`` is to be told what a person has drawn already."""
        return self._interactive.wants_drafts

    def interactive(self, request: InteractiveRequest) -> dict[str, Any]:
        """Give the prediction that somebody who uses a smart tool waits for: the one thing that does wait."""
        regions = self._interactive.regions(request)
        version = self._progress.model_version(request.project_id) or model_version(self._checkpoint)
        return {"result": regions, "model_version": version}

    def webhook(self, event: WebhookEvent) -> None:
        """Look into the project of an event that may change its reference or its tasks."""
        if event.project_id is None:
            return
        if event.is_review and not self._generations.note_review(event.project_id):
            self._look_soon(event.project_id)
            return
        self._progress.remove_tasks(event.project_id, event.deleted_task_ids)
        if event.action == "START_TRAINING" and self.learns:
            _told(self._actions.take(LEARN_NOW, event.project_id))
        else:
            self._enqueue_sync(event.project_id, event.action)

    def _look_soon(self, project_id: int) -> None:
        """Have a review counted that is not learned from yet: many come, so one sync a minute counts all."""
        synced_s_ago = self._progress.project(project_id).synced_s_ago
        if synced_s_ago is None or synced_s_ago > _REVIEWED_SYNC_S:
            self._enqueue_sync(project_id, "review")
            return
        in_s = _REVIEWED_SYNC_S - synced_s_ago
        if self._queue.sync_later(project_id, in_s=in_s):
            logger.info("review: project %d: sync in %.0f s", project_id, in_s)

    def _enqueue_sync(self, project_id: int, cause: str) -> None:
        queued = self._queue.enqueue_sync(project_id)
        logger.info(
            "%s: project %d: %s", cause, project_id, "sync queued" if queued else "a sync waits already"
        )


def _told(done: Done) -> Done:
    """Log what a person did."""
    logger.info("%s: project %d: %d", done.action, done.project_id, done.amount)
    return done


def _is_old(version: str | None, synced_s_ago: float | None) -> bool:
    """Whether a sync is due though nothing happened: webhooks get lost, and Label Studio shows /setup often.

    Not at every /setup: a sync may itself make Label Studio call it.
    """
    if synced_s_ago is None:
        return True
    return synced_s_ago > (_RETRY_SYNC_S if version is None else _REPEAT_SYNC_S)
