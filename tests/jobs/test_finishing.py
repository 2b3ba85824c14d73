"""What follows a run is queued once, in its order, and again after another run of the same generation."""

import pytest
from redis import Redis

from backend.jobs.finishing import Finishing
from backend.jobs.keys import ProjectKeys
from backend.jobs.progress import Progress, TaskProgress
from backend.jobs.queue import SYNC_QUEUE, WARM_UP_QUEUE, JobQueue
from backend.jobs.runs import Runs

VERSION = "oneshot-sam2.1-hiera-tiny-0123456789"  # dots are in names of checkpoints


@pytest.fixture
def finishing(queue: JobQueue) -> Finishing:
    return Finishing(queue)


def finish(queue: JobQueue, progress: Progress, version: str = VERSION) -> None:
    """Have the project's only task done with."""
    runs = Runs(queue)
    progress.set_generation(7, version, [])
    runs.begin_listing(7, version)
    runs.note_page(7, version, cursor=0, next_cursor=1, left=0)
    progress.record(7, version, TaskProgress(1, "done"))


def jobs(queue: JobQueue, name: str) -> list[str]:
    """The functions that wait."""
    waiting = queue.queue(name).get_jobs()
    return [str(job.func_name).rpartition(".")[2] for job in waiting if "list" not in job.id]


def test_nothing_follows_a_run_that_goes_on(
    queue: JobQueue, progress: Progress, finishing: Finishing
) -> None:
    progress.set_generation(7, VERSION, [])
    Runs(queue).begin_listing(7, VERSION)

    assert finishing.finished(7) is None
    assert finishing.enqueue_due(stale_s=0) == 0


def test_first_the_generation_is_shown_and_then_older_predictions_go(
    queue: JobQueue, progress: Progress, finishing: Finishing
) -> None:
    """Each is queued once, though this is looked at every few seconds."""
    finish(queue, progress)

    assert [finishing.enqueue_due(stale_s=0) for _ in range(2)] == [1, 0]
    finishing.note_shown(7, VERSION)
    assert [finishing.enqueue_due(stale_s=0) for _ in range(2)] == [1, 0]
    finishing.note_tidied(7, VERSION)
    assert finishing.enqueue_due(stale_s=0) == 0
    assert (jobs(queue, SYNC_QUEUE), jobs(queue, WARM_UP_QUEUE)) == (["show_generation"], ["tidy"])


def test_older_predictions_stay_for_a_while(
    queue: JobQueue, progress: Progress, finishing: Finishing
) -> None:
    """Somebody may have one of them open."""
    finish(queue, progress)
    finishing.note_shown(7, VERSION)

    assert finishing.enqueue_due(stale_s=60) == 0
    assert finishing.enqueue_due(stale_s=0) == 1


def test_another_order_is_set_though_the_generation_is_shown_already(
    queue: JobQueue, progress: Progress, finishing: Finishing
) -> None:
    """The setting was changed, and the workers were started anew."""
    finish(queue, progress)
    finishing.enqueue_due(stale_s=60)
    finishing.note_shown(7, VERSION)
    changed = Finishing(queue, order="uncertainty")

    assert [changed.enqueue_due(stale_s=60) for _ in range(2)] == [1, 0]
    changed.note_shown(7, VERSION)
    assert changed.enqueue_due(stale_s=60) == 0


def test_a_generation_that_is_made_current_again_is_shown_and_tidied_again(
    queue: JobQueue, progress: Progress, finishing: Finishing, connection: Redis
) -> None:
    """The jobs of its first run may still be known."""
    finish(queue, progress)
    finishing.enqueue_due(stale_s=0)
    finishing.note_shown(7, VERSION)
    connection.hincrbyfloat(ProjectKeys(7).run, "ended_at", -1)
    finish(queue, progress, "oneshot-tiny-other")
    finishing.note_shown(7, "oneshot-tiny-other")
    finish(queue, progress)

    assert finishing.enqueue_due(stale_s=0) == 1
    assert jobs(queue, SYNC_QUEUE) == ["show_generation", "show_generation"]
