"""What the tests of the doctor break."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer

from backend.doctor.doctor import examine
from backend.doctor.examination import Finding
from backend.doctor.versions import expected_version
from backend.jobs.generations import Generations
from backend.jobs.progress import Progress, ReferenceNote
from backend.jobs.queue import QUEUE_NAMES, JobQueue
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.label_config import image_controls
from backend.labelstudio.references import pick_references
from backend.settings import Settings
from tests.worker.fake_label_studio import PROJECT, TOKEN, FakeLabelStudio

WEB_URL = "http://oneshot.example:9090"


@dataclass
class Installation:
    """Label Studio, queue and settings.

    Attributes:
        fake: Label Studio.
        connection: to the queue.
        settings: of the doctor.
    """

    fake: FakeLabelStudio
    connection: Redis
    settings: Settings

    def change(self, **settings: Any) -> None:
        """Give the doctor other settings."""
        self.settings = Settings.model_validate({**self.settings.model_dump(), **settings})

    def start_worker(self, queues: Iterable[str] = QUEUE_NAMES) -> Worker:
        """Register a worker, as one does at its start."""
        worker = Worker(list(queues), connection=self.connection, serializer=JSONSerializer)
        worker.register_birth()  # type: ignore[no-untyped-call]
        return worker

    def end_workers(self) -> None:
        """Leave nobody on the queue."""
        self.connection.flushall()
        self.sync()

    def connect(self, url: str = WEB_URL, **changed: Any) -> None:
        """Connect the web process, as Label Studio notes it."""
        backend = {"id": 1, "project": PROJECT, "title": "oneshot", "url": url, "state": "CO"}
        shown = {"readable_state": "Connected", "model_version": self.version()}
        self.fake.ml_backends = [{**backend, **shown, **changed}]
        self.fake.webhooks = [
            {"id": 1, "project": PROJECT, "url": f"{url}/webhook", "is_active": True, "send_payload": True}
            | {"send_for_all_actions": True, "actions": [], "headers": {}}
        ]
        self.fake.model_version = "oneshot"

    def sync(self) -> None:
        """Note on the queue what Label Studio shows our web process, and what a sync finds."""
        Progress(self.connection).set_config(PROJECT, "digest")
        notes = [ReferenceNote("Coin", 1, 1, 1)]
        Progress(self.connection).set_generation(PROJECT, self.version(), notes)

    def version(self) -> str:
        """What a worker computes."""
        with LabelStudio(self.fake.url, TOKEN) as client:
            controls = image_controls(self.fake.label_config)
            annotations = client.annotations(PROJECT)
            reviews = annotations.named(annotations.after_predictions("oneshot-"))
            excluded = Generations(JobQueue(self.connection)).excluded(PROJECT)
            picked = pick_references(annotations, controls, passed_over=excluded, reviews=reviews)
        return expected_version(self.settings, picked, controls)

    def examine(self, project_id: int | None = PROJECT, *, environment: Iterable[str] = ()) -> list[Finding]:
        """What the doctor finds."""
        return examine(self.settings, project_id, environment=environment).findings


def only(findings: list[Finding], state: str) -> Finding:
    """The one finding of that state; there must be no other."""
    found = [finding for finding in findings if finding.state == state]
    assert len(found) == 1, findings
    return found[0]


def checks(findings: list[Finding], state: str) -> list[str]:
    """What is in that state."""
    return [finding.check for finding in findings if finding.state == state]
