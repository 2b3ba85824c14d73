"""What a process needs before it predicts, where another one or Redis has lost it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from backend.jobs.keys import ProjectKeys
from backend.jobs.payloads import PredictTasks
from backend.jobs.queue import ATTEMPTS_LEFT, PREDICT_QUEUE
from backend.vision.evidence import FITTED
from backend.vision.learned import Learned, Lesson
from backend.vision.reviewed import Reviewed
from backend.worker.choice import rebuilt
from backend.worker.context import WorkerContext
from backend.worker.errors import UntaughtError
from backend.worker.learning_options import LearningOptions
from backend.worker.preparation import leave_to_sync, ready_generation
from backend.worker.sync import sync
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

RunJobs = Callable[..., dict[str, Any]]
TAUGHT = Learned({"Coin": Lesson(replace(FITTED.second, bias=-1.0))})


@dataclass
class Teacher:
    """Learns something from any review; counts its lessons."""

    lessons: int = 0

    def learn(self, models: object, references: object, reviewed: Iterable[Reviewed], **_: object) -> Learned:  # noqa: ARG002 - as the core's
        """Go through the reviews."""
        self.lessons += 1
        return TAUGHT if list(reviewed) else Learned()


@pytest.fixture
def teacher() -> Teacher:
    return Teacher()


@pytest.fixture
def taught(full_context: WorkerContext, fake: FakeLabelStudio, teacher: Teacher) -> WorkerContext:
    """A worker whose project has a review: task 2's; task 3 is left."""
    fake.predictions.append({"id": 9, "task": 2, "model_version": "oneshot-tiny-0", "result": []})
    fake.annotate(2, disc_mask(), parent_prediction=9)
    return replace(full_context, learn=teacher.learn)


def lose_lessons(context: WorkerContext) -> int:
    """Let Redis lose what was learned; gives how much that was."""
    lost = list(context.connection.scan_iter(ProjectKeys(PROJECT).learned("*")))
    return int(context.connection.delete(*lost)) if lost else 0


def test_a_worker_that_has_the_generation_gives_its_lessons_back_to_a_redis_that_lost_them(
    taught: WorkerContext, teacher: Teacher
) -> None:
    """It learns nothing anew."""
    version = sync(taught, PROJECT).model_version
    taught.connection.flushall()

    again = sync(taught, PROJECT).model_version

    assert again == version
    assert teacher.lessons == 1
    assert lose_lessons(taught) == 1


def test_it_gives_the_references_among_the_reviews_back_as_well(taught: WorkerContext) -> None:
    """Those that were chosen beside the one shot."""
    context = replace(taught, learning=LearningOptions(max_references=2))
    version = sync(context, PROJECT).model_version
    taught.connection.flushall()

    again = sync(context, PROJECT).model_version
    context.generations.clear()
    found = rebuilt(context, context.label_studio.project(PROJECT), str(version))

    assert again == version
    assert found is not None
    assert [each.annotation_id for each in found.picked] == [1, 2]


@dataclass
class Run:
    """A project whose first job of predictions waits, and whose lessons Redis has lost; its worker is new.

    Attributes:
        version: the generation.
        job_id: of the job.
    """

    version: str
    job_id: str

    def job(self, context: WorkerContext) -> Job:
        """The job, as it is now."""
        return Job.fetch(self.job_id, connection=context.connection, serializer=JSONSerializer)


@pytest.fixture
def run(taught: WorkerContext, run_jobs: RunJobs) -> Run:
    taught.queue.enqueue_sync(PROJECT)
    version = run_jobs(jobs=2, learn=taught.learn)["model_version"]
    assert lose_lessons(taught) == 1
    taught.generations.clear()
    (job_id,) = taught.queue.queue(PREDICT_QUEUE).job_ids
    return Run(version, job_id)


def test_a_job_of_predictions_leaves_what_is_to_be_learned_to_the_sync_and_is_tried_again(
    taught: WorkerContext, fake: FakeLabelStudio, teacher: Teacher, run: Run, run_jobs: RunJobs
) -> None:
    """What it waits for is a sync that finds the same generation."""
    run_jobs(jobs=1, learn=taught.learn)
    between = (teacher.lessons, fake.predicted(), taught.queue.sync_waits(PROJECT))
    run_jobs(jobs=1, learn=taught.learn)
    after_sync = (teacher.lessons, fake.predicted())
    taught.generations.clear()
    project = run_jobs(jobs=2, learn=taught.learn)

    assert between == (1, [2], True)
    assert after_sync == (2, [2])
    assert teacher.lessons == 2
    assert fake.predicted() == [2, 3]
    assert fake.predictions[-1]["model_version"] == project["model_version"] == run.version


def test_waiting_for_a_sync_that_waits_or_runs_uses_up_no_attempt_and_asks_label_studio_once(
    taught: WorkerContext, fake: FakeLabelStudio, teacher: Teacher, run: Run
) -> None:
    """The sync runs in another worker, and takes minutes. A job that finds none asks for one."""
    payload = PredictTasks(PROJECT, run.version, (3,))

    with taught.queue.sync_lock(PROJECT, job_id="sync-7-other"):
        with pytest.raises(UntaughtError):
            ready_generation(taught, payload)
        waits = [leave_to_sync(taught, payload) for _ in range(2)]
        asked = len(fake.requests)
        with pytest.raises(UntaughtError):
            ready_generation(taught, payload)
        asked_again = len(fake.requests)
    alone = [leave_to_sync(taught, payload) for _ in range(2)]

    assert waits == [True, True]
    assert asked_again == asked
    assert alone == [False, True]  # the second finds the sync that the first has asked for
    assert teacher.lessons == 1


def test_a_job_given_to_a_running_sync_is_scheduled_with_all_its_attempts(
    taught: WorkerContext, run: Run, run_jobs: RunJobs
) -> None:
    with taught.queue.sync_lock(PROJECT, job_id="sync-7-other"):
        taught.connection.hset(Job.key_for("sync-7-other"), "status", "started")
        run_jobs(jobs=1, learn=taught.learn)

    job = run.job(taught)
    assert (job.retries_left, job.get_status()) == (ATTEMPTS_LEFT, JobStatus.SCHEDULED)
    assert taught.progress.states(PROJECT, [3], job_id=job.id) == {3: "queued"}
    assert not taught.queue.sync_waits(PROJECT)


def test_where_no_sync_brings_the_lessons_back_the_job_is_given_up(
    taught: WorkerContext, run: Run, run_jobs: RunJobs
) -> None:
    """Each attempt that finds no sync under way counts."""
    job = run.job(taught)
    job.retries_left = 0
    job.save()

    project = run_jobs(jobs=1, learn=taught.learn)

    assert [(task["id"], task["state"]) for task in project["tasks"]] == [(3, "failed")]
    assert "lessons" in project["tasks"][0]["reason"]


def test_a_pinned_generation_is_taught_again_by_the_sync_and_by_nobody_else(
    taught: WorkerContext, fake: FakeLabelStudio, teacher: Teacher, run: Run
) -> None:
    """Another review would teach another generation: the older one stays, with its own lessons."""
    taught.known.make_current(PROJECT, run.version)
    fake.add_task(disc())
    fake.predictions.append({"id": 10, "task": 3, "model_version": run.version, "result": []})
    fake.annotate(3, disc_mask(), parent_prediction=10)
    payload = PredictTasks(PROJECT, run.version, (4,))

    with pytest.raises(UntaughtError):
        ready_generation(taught, payload)
    before = teacher.lessons
    again = sync(taught, PROJECT).model_version
    taught.generations.clear()
    found = ready_generation(taught, payload)

    assert before == 1
    assert again == run.version
    assert found is not None
    assert (found.model_version, found.learned, found.evidence) == (run.version, TAUGHT, (2,))
    assert teacher.lessons == 2


def test_a_reference_that_turns_out_to_be_of_no_use_is_passed_over_before_lessons_are_missed(
    taught: WorkerContext, fake: FakeLabelStudio, teacher: Teacher
) -> None:
    """A sync kept what it learned for the next one; nothing else says so where the note of it is lost."""
    fake.add_task(disc())
    fake.annotate(4, disc_mask())
    fake.files["/data/upload/7/1.png"] = b"broken"
    version = sync(taught, PROJECT).model_version
    taught.connection.delete(ProjectKeys(PROJECT).generations)
    taught.generations.clear()

    found = ready_generation(taught, PredictTasks(PROJECT, str(version), (3,)))

    assert found is not None
    assert (found.model_version, found.picked[0].annotation_id) == (version, 3)
    assert teacher.lessons == 1
