"""``/metrics``, as Prometheus reads it.

All figures are read from Redis when they are asked for, so that it does not matter which of several web
processes answers, and that those of the workers, which nobody can ask, are among them.
"""

from collections.abc import Iterator, Mapping

from flask import Flask, Response, request
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from backend.jobs.counters import Counters
from backend.jobs.figures import Figures, figures
from backend.jobs.queue import JobQueue

_LABELLED = {  # prefix of the names of sums: name, what it is, label
    "seconds:": ("oneshot_stage_seconds", "Seconds that workers spent, by stage of the work", "stage"),
    "images:": ("oneshot_tasks_finished", "Tasks that were finished, by their state then", "state"),
    "cache:": ("oneshot_embedding_cache", "What was asked of the embedding cache", "outcome"),
    "label_studio_errors:": ("oneshot_label_studio_errors", "Errors of Label Studio, by kind", "kind"),
    "jobs:": ("oneshot_jobs", "Attempts of jobs, by outcome", "outcome"),
    "worker:": ("oneshot_worker_events", "What happened to workers", "event"),
}


def add_metrics(app: Flask, queue: JobQueue) -> None:
    """Add the page to *app*."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_RedisCollector(queue))

    @app.get("/metrics")
    def metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)


class _RedisCollector(Collector):
    """Reads the figures whenever it is asked."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: nothing is read until somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give all metrics.

        Raises:
            QueueUnavailableError: Redis does not answer.
        """
        yield from _of_queue(self._queue.depths(), self._queue.ages())
        yield from _of_now(figures(self._queue.connection))
        yield from _of_sums(Counters(self._queue.connection).read())


def _of_queue(depths: Mapping[str, int], ages: Mapping[str, float]) -> Iterator[Metric]:
    waiting = {name: float(depth) for name, depth in depths.items() if name in ages}
    yield _gauge("oneshot_queue_depth", "Jobs that wait, by priority", "priority", waiting)
    yield _gauge("oneshot_queue_age_seconds", "How long the first of them has waited", "priority", ages)
    yield GaugeMetricFamily(
        "oneshot_tasks_pending", "Tasks of runs that no job carries yet", depths["pending"]
    )
    yield GaugeMetricFamily("oneshot_jobs_retrying", "Jobs that wait to be tried again", depths["retrying"])


def _of_now(now: Figures) -> Iterator[Metric]:
    yield _gauge("oneshot_tasks", "Tasks of all projects, by state", "state", now.tasks)
    yield GaugeMetricFamily("oneshot_projects", "Projects that are known", now.projects)
    yield GaugeMetricFamily(
        "oneshot_label_studio_up", "0 while runs are paused because it is down", float(not now.is_down)
    )
    yield _gauge("oneshot_workers", "Workers, by what they do", "state", now.workers)
    yield _gauge(
        "oneshot_worker_resident_memory_bytes", "Memory that a worker occupies", "worker", now.worker_bytes
    )


def _of_sums(sums: Mapping[str, float]) -> Iterator[Metric]:
    for prefix, (name, documentation, label) in _LABELLED.items():
        family = CounterMetricFamily(name, documentation, labels=[label])
        for each in sorted(sums):
            if each.startswith(prefix):
                family.add_metric([each.removeprefix(prefix)], sums[each])
        yield family


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for value, amount in values.items():
        family.add_metric([value], amount)
    return family
