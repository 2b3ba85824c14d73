"""A run followed from the terminal, against a worker made of one thread that takes what waits."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from backend.cli import prelabel
from backend.cli.main import main
from backend.jobs.connection import connect
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, ReferenceNote, TaskProgress, TaskState
from backend.jobs.queue import JobQueue
from backend.jobs.runs import Runs

VERSION = "oneshot-tiny-0a1b"
Step = Callable[["Queue"], None]


class Queue:
    """What a worker would do to the queue."""

    def __init__(self, connection: Redis) -> None:
        self.connection = connection
        self.jobs = JobQueue(connection)
        self.runs = Runs(self.jobs)
        self.progress = Progress(connection)

    def wait_for_sync(self) -> None:
        """Take the sync that waits."""
        deadline = time.monotonic() + 10
        while not self.jobs.sync_waits(2):
            assert time.monotonic() < deadline, "no sync was queued"
            time.sleep(0.01)
        self.jobs.sync_started(2)

    def list_tasks(self, *task_ids: int) -> None:
        """Find the reference, and read the whole task list."""
        self.progress.set_generation(2, VERSION, [ReferenceNote("Coin", 1, 7, 1)])
        assert self.runs.begin_listing(2, VERSION)
        self.jobs.enqueue_tasks(2, VERSION, task_ids, retry_failed=False)
        assert self.runs.note_page(2, VERSION, cursor=0, next_cursor=max(task_ids), left=0)

    def finish(self, state: TaskState, *task_ids: int, reason: str | None = None, after_s: float = 0) -> None:
        """Finish tasks, a little later."""
        time.sleep(after_s)
        tasks = [TaskProgress(task_id, state, reason=reason) for task_id in task_ids]
        assert self.progress.record_many(2, VERSION, tasks)


@pytest.fixture
def queue(shared_valkey: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """An empty queue that the command finds."""
    monkeypatch.setenv("REDIS_URL", shared_valkey)
    monkeypatch.setattr(prelabel, "POLL_S", 0.02)
    with connect(shared_valkey, timeout_s=5) as connection:
        connection.flushall()
        yield Queue(connection)


@contextmanager
def meanwhile(queue: Queue, step: Step) -> Iterator[None]:
    """Let a worker do *step* beside the command; what it raises fails the test."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            step(queue)
        except BaseException as exc:  # noqa: BLE001 - told to the test
            raised.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(10)
    assert raised == []


def run(queue: Queue, step: Step, *options: str) -> Result:
    """Run the command to its end beside a worker."""
    with meanwhile(queue, step):
        return CliRunner().invoke(main, ["prelabel", "--project", "2", *options])


def all_well(queue: Queue) -> None:
    """Three tasks, all predicted or annotated."""
    queue.wait_for_sync()
    time.sleep(0.5)
    queue.list_tasks(1, 2, 3)
    time.sleep(0.1)
    queue.finish("done", 1, 2)
    queue.finish("skipped", 3)


def one_fails(queue: Queue) -> None:
    """Two tasks, one of which fails."""
    queue.wait_for_sync()
    queue.list_tasks(1, 2)
    queue.finish("failed", 1, reason="image gone")
    queue.finish("done", 2)


def test_a_run_is_started_and_waited_for(queue: Queue) -> None:
    result = run(queue, all_well)

    assert result.exit_code == 0, result.output
    assert "looking for the reference" in result.output
    assert f"project 2: finished: 2 done, 1 skipped ({VERSION})" in result.output


def test_a_failed_task_makes_the_command_fail_and_is_told_with_its_reason(queue: Queue) -> None:
    result = run(queue, one_fails)

    assert result.exit_code == 1
    assert "1 failed: image gone (tasks 1)" in result.output


def test_json_is_one_object_on_standard_output(queue: Queue) -> None:
    result = run(queue, one_fails, "--json")

    outcome = json.loads(result.stdout)
    assert outcome["state"] == "finished"
    assert outcome["counts"] == {"done": 1, "failed": 1}
    assert outcome["failures"] == [{"reason": "image gone", "count": 1, "tasks": [1]}]
    assert (outcome["total"], outcome["model_version"], result.exit_code) == (2, VERSION, 1)


def test_a_run_that_goes_on_is_followed_and_not_started_again(queue: Queue) -> None:
    queue.runs.start(2)
    queue.jobs.sync_started(2)
    queue.list_tasks(1, 2)

    result = run(queue, lambda queue: queue.finish("done", 1, 2, after_s=0.2))

    assert result.exit_code == 0
    assert not queue.jobs.sync_waits(2)


def test_a_cancelled_run_is_not_all_well(queue: Queue) -> None:
    def cancel(queue: Queue) -> None:
        queue.wait_for_sync()
        queue.list_tasks(1, 2)
        queue.runs.cancel(2)

    result = run(queue, cancel)

    assert result.exit_code == 1
    assert "project 2: cancelled" in result.output


def test_tasks_that_failed_are_tried_again_when_asked(queue: Queue) -> None:
    run(queue, one_fails)

    result = run(queue, lambda queue: queue.finish("done", 1, after_s=0.3), "--retry-failed")

    assert result.exit_code == 0, result.output
    assert "2 done" in result.output


def test_without_a_reference_the_reason_is_told(queue: Queue) -> None:
    def look(queue: Queue) -> None:
        queue.wait_for_sync()
        queue.progress.set_no_reference(2, "no annotation has a brush region")

    queue.progress.set_no_reference(2, "an old reason")
    time.sleep(0.05)
    result = run(queue, look)

    assert result.exit_code == 1
    assert "no reference: no annotation has a brush region" in result.output


def test_a_project_that_label_studio_does_not_know_is_told(queue: Queue) -> None:
    def forget(queue: Queue) -> None:
        for _ in range(2):
            queue.wait_for_sync()
            queue.progress.forget_project(2)

    result = run(queue, forget)

    assert result.exit_code == 1
    assert "Label Studio knows no project 2" in result.output


@pytest.mark.parametrize("listed", [False, True])
def test_a_redis_that_came_back_empty_makes_the_run_begin_again(queue: Queue, listed: bool) -> None:
    def lose_and_begin_again(queue: Queue) -> None:
        queue.wait_for_sync()
        if listed:
            queue.list_tasks(1, 2, 3)
        time.sleep(0.3)
        queue.connection.flushall()
        all_well(queue)

    result = run(queue, lose_and_begin_again)

    assert result.exit_code == 0, result.output


def test_to_stop_waiting_does_not_stop_the_run(queue: Queue) -> None:
    def interrupt(queue: Queue) -> None:
        queue.wait_for_sync()
        queue.list_tasks(1, 2)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    result = run(queue, interrupt)

    ended = queue.runs.run(2)
    assert result.exit_code == 1
    assert "the run goes on" in result.output
    assert ended is not None
    assert ended.state == "running"


def test_what_holds_it_up_is_said(queue: Queue) -> None:
    assert "no worker is running" in run(queue, all_well).output


def test_the_bar_of_a_terminal_ends_with_the_run(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    result = run(queue, all_well)

    assert result.exit_code == 0
    assert queue.connection.hget(ProjectKeys(2).run, "state") == b"finished"


@pytest.mark.parametrize("options", [[], ["--project", "two"], ["--project", "0"]])
def test_bad_usage_is_two(options: list[str]) -> None:
    assert CliRunner().invoke(main, ["prelabel", *options]).exit_code == 2


def test_a_redis_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    result = CliRunner().invoke(main, ["prelabel", "--project", "2"])

    assert result.exit_code == 1
    assert "expected Redis to answer" in result.output
    assert "Traceback" not in result.output
