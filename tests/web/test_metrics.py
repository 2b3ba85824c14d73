"""The metrics, read back with Prometheus's own parser."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from rq import Worker

from backend.jobs.breaker import Breaker
from backend.jobs.counters import Counters
from backend.jobs.keys import WORKER
from backend.jobs.progress import TaskProgress
from tests.web.conftest import VERSION, Backend, backend_on

README = Path(__file__).parents[2] / "README.md"
Samples = dict[tuple[str, str], float]


def samples(backend: Backend) -> Samples:
    """Each value by its name and the value of its only label, if it has one."""
    response = backend.client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_an_empty_backend_has_zeros_where_alarms_look(backend: Backend) -> None:
    found = samples(backend)

    assert found["oneshot_queue_depth", "predict"] == 0
    assert found["oneshot_queue_age_seconds", "opened"] == 0
    assert found["oneshot_tasks", "failed"] == 0
    assert found["oneshot_workers", "busy"] == 0
    assert found["oneshot_label_studio_up", ""] == 1


def test_the_queue_and_the_tasks_of_all_projects_are_counted(backend: Backend) -> None:
    for project_id in (2, 3):
        backend.synced(project_id)
        backend.progress.record(project_id, VERSION, TaskProgress(5, "done", instances=1))
    backend.queue.enqueue_tasks(2, VERSION, range(10, 60))
    backend.queue.enqueue_tasks(3, VERSION, [7], priority="opened")

    found = samples(backend)

    assert found["oneshot_queue_depth", "opened"] == 1
    assert found["oneshot_queue_depth", "predict"] * 2 + found["oneshot_tasks_pending", ""] == 50
    assert found["oneshot_tasks", "done"] == 2
    assert found["oneshot_tasks", "queued"] == 51
    assert found["oneshot_projects", ""] == 2


def test_what_workers_did_is_told_by_whichever_web_process_is_asked(backend: Backend) -> None:
    backend.synced(2)
    stages = {"fetch": 0.5, "encode": 2.0}
    backend.progress.record(2, VERSION, TaskProgress(5, "done", instances=1, stages=stages))
    backend.progress.record(2, VERSION, TaskProgress(6, "empty", instances=0, stages=stages))
    Counters(backend.connection).add(
        {"cache:hit": 3, "label_studio_errors:TransientError": 2, "jobs:ok": 4, "worker:restarts": 1}
    )

    found = samples(backend)

    assert found["oneshot_stage_seconds_total", "encode"] == 4
    assert found["oneshot_tasks_finished_total", "empty"] == 1
    assert found["oneshot_embedding_cache_total", "hit"] == 3
    assert found["oneshot_label_studio_errors_total", "TransientError"] == 2
    assert found["oneshot_jobs_total", "ok"] == 4
    assert found["oneshot_worker_events_total", "restarts"] == 1
    assert samples(backend_on(backend.connection)) == found


def test_workers_tell_their_memory(backend: Backend) -> None:
    worker = Worker(backend.queue.queues(), name="gpu-1-4711", connection=backend.connection)
    worker.register_birth()  # type: ignore[no-untyped-call]
    worker.set_state("busy")
    backend.connection.hset(WORKER.format("gpu-1-4711"), mapping={"rss_bytes": 812_000_000})

    found = samples(backend)

    assert found["oneshot_workers", "busy"] == 1
    assert found["oneshot_worker_resident_memory_bytes", "gpu-1-4711"] == 812_000_000


def test_an_outage_of_label_studio_is_told(backend: Backend) -> None:
    Breaker(backend.connection).trip("connection refused")

    assert samples(backend)["oneshot_label_studio_up", ""] == 0


def test_the_readme_names_every_metric_and_no_other(backend: Backend) -> None:
    families = text_string_to_metric_families(backend.client.get("/metrics").text)
    names = {f"{family.name}{'_total' if family.type == 'counter' else ''}" for family in families}

    assert set(re.findall(r"`(oneshot_[a-z_]+)`", README.read_text())) == names
