"""A project's task list becomes the pending tasks of its run, page by page."""

from collections.abc import Callable
from typing import Any

from backend.worker.context import WorkerContext
from tests.worker.conftest import disc
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]


def list_pages(fake: FakeLabelStudio) -> int:
    return sum(each == "GET /api/tasks/" for each in fake.requests)


def test_a_large_project_is_read_as_it_is_worked_on(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    """After the sync and two pages of 300 tasks the list rests until few are pending."""
    for task_id in range(4, 301):
        fake.tasks[task_id] = fake.tasks[2]
    full_context.queue.enqueue_sync(PROJECT)

    run_jobs(jobs=3)

    run = full_context.runs.run(PROJECT)
    assert run is not None
    assert (run.state, run.total, run.left) == ("listing", 299, 99)
    assert full_context.queue.depths()["sync"] == 0
    assert full_context.queue.depths()["pending"] > 100


def test_a_list_that_label_studio_refuses_ends_the_run_with_the_reason(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=1)
    fake.broken = lambda path: 403 if path == "/api/tasks/" else None

    project = run_jobs()

    run = full_context.runs.run(PROJECT)
    assert run is not None
    assert run.state == "failed"
    assert "LABEL_STUDIO_API_KEY" in str(run.reason)
    assert "LABEL_STUDIO_API_KEY" in project["error"]


def test_a_cancelled_list_is_not_read_on(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=1)
    full_context.runs.cancel(PROJECT)
    before = list_pages(fake)

    run_jobs()

    assert list_pages(fake) == before
    assert fake.predicted() == []


def test_a_page_that_is_on_its_way_when_the_run_is_cancelled_queues_nothing(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs(jobs=1)

    def cancel(path: str) -> None:
        if path == "/api/tasks/":
            full_context.runs.cancel(PROJECT)

    fake.broken = cancel
    run_jobs(jobs=1)

    run = full_context.runs.run(PROJECT)
    assert run is not None
    assert (run.state, run.counts) == ("cancelled", {})


def test_new_tasks_join_the_run(
    full_context: WorkerContext, fake: FakeLabelStudio, run_jobs: RunJobs
) -> None:
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()
    fake.add_task(disc())
    full_context.queue.enqueue_sync(PROJECT)
    run_jobs()

    run = full_context.runs.run(PROJECT)
    assert run is not None
    assert (run.state, run.total) == ("finished", 3)
    assert fake.predicted() == [2, 3, 4]


def test_a_project_without_a_reference_is_warmed_up_once(
    full_context: WorkerContext, fake: FakeLabelStudio
) -> None:
    from dataclasses import replace

    from backend.worker.sync import sync

    fake.annotations.clear()
    sync(full_context, PROJECT)
    assert full_context.queue.depths()["warmup"] == 0

    willing = replace(full_context, warm_up=True)
    sync(willing, PROJECT)
    sync(willing, PROJECT)
    assert full_context.queue.depths()["warmup"] == 1
