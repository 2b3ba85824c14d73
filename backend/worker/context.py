"""What a job works with: built once per process, handed to the job by the worker."""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from redis import Redis

from backend.jobs.breaker import Breaker
from backend.jobs.counters import Counters
from backend.jobs.finishing import Finishing
from backend.jobs.generations import Generations
from backend.jobs.pictures import Pictures
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.jobs.runs import Runs
from backend.jobs.warm_ups import WarmUps
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import TransientError
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.outputs import OutputOptions
from backend.vision.learned import Learned
from backend.vision.learning import learn
from backend.vision.pipeline import Models, SearchOptions, Segmentation, find_instances
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.generation import GenerationCache
from backend.worker.learning_options import LearningOptions
from backend.worker.open_images import OpenImages
from backend.worker.outage import label_studio_is_down
from backend.worker.thumbnails import Thumbnailer


@dataclass(frozen=True)
class BasicAuth:
    """The user name and password that our web process asks for."""

    user: str
    password: str = field(repr=False)


class FindInstances(Protocol):
    """The core, as ``backend.vision.pipeline.find_instances`` is called."""

    def __call__(
        self,
        models: Models,
        references: Sequence[Reference],
        image: NDArray[np.uint8],
        *,
        options: SearchOptions,
        learned: Learned,
        size_hw: tuple[int, int] | None,
    ) -> Segmentation:
        """Find every instance of the references' things in *image*, (h, w, 3), in the pixels of *size_hw*."""


class LearnFromReviews(Protocol):
    """The core, as ``backend.vision.learning.learn`` is called."""

    def __call__(
        self,
        models: Models,
        references: Sequence[Reference],
        reviewed: Iterable[Reviewed],
        *,
        options: SearchOptions,
        step: Callable[[], object],
    ) -> Learned:
        """Learn from images that people have reviewed; *step* is called as long as the work goes on."""


@dataclass(frozen=True, eq=False)
class WorkerContext:
    """The collaborators of every job of one worker process.

    Attributes:
        label_studio: the client that reads projects and stores predictions.
        fetcher: gets the bytes of images.
        limits: bounds on the images that are decoded.
        models: the loaded networks.
        checkpoint: the SAM checkpoint as it stands in model versions.
        semantics: the semantic encoder, as the settings name it.
        search: the settings that change masks.
        connection: to Redis, for the locks around a push.
        queue: where a sync puts the project's tasks.
        progress: where states are noted for the status page.
        warm_up: whether a project without a reference has its images embedded meanwhile.
        webhook_auth: what Label Studio's webhook must send us; None when our web process asks for nothing.
        generations: references that are ready to be used.
        embeddings: what the models' encoders said of images; None: nothing is kept.
        thumbnailer: draws some of what was found.
        output: the settings that change regions.
        learning: the settings of learning from review.
        sampling: the order in which projects are to hand out tasks; None: as they have it.
        stale_s: seconds after a run until older predictions of its tasks are removed.
        find: the core.
        learn: the core's way to learn from reviews.
    """

    label_studio: LabelStudio
    fetcher: ImageFetcher
    limits: ImageLimits
    models: Models
    checkpoint: str
    semantics: str
    search: SearchOptions
    connection: Redis
    queue: JobQueue
    progress: Progress
    warm_up: bool = False
    webhook_auth: BasicAuth | None = None
    generations: GenerationCache = field(default_factory=GenerationCache)
    embeddings: EmbeddingCache | None = None
    thumbnailer: Thumbnailer = field(default_factory=Thumbnailer)
    output: OutputOptions = field(default_factory=OutputOptions)
    learning: LearningOptions = field(default_factory=LearningOptions)
    sampling: Literal["sequential", "uncertainty"] | None = None
    stale_s: int = 0
    find: FindInstances = find_instances
    learn: LearnFromReviews = learn

    @cached_property
    def runs(self) -> Runs:
        """The runs of all projects."""
        return Runs(self.queue)

    @cached_property
    def known(self) -> Generations:
        """The generations that are known of all projects, and what people want of them."""
        return Generations(self.queue)

    @cached_property
    def finishing(self) -> Finishing:
        """What follows the runs."""
        return Finishing(self.queue, order=self.sampling or "")

    @cached_property
    def warm_ups(self) -> WarmUps:
        """The warm-ups of all projects."""
        return WarmUps(self.queue)

    @cached_property
    def pictures(self) -> Pictures:
        """The small pictures of the status page."""
        return Pictures(self.connection)

    @cached_property
    def open_images(self) -> OpenImages:
        """The images that annotators point at."""
        return OpenImages()

    @cached_property
    def breaker(self) -> Breaker:
        """Whether Label Studio is down."""
        return Breaker(self.connection)

    @cached_property
    def counters(self) -> Counters:
        """The sums over all workers."""
        return Counters(self.connection)

    def report_cache(self) -> None:
        """Add what the cache of embeddings has counted since the last time to the sums."""
        if self.embeddings is not None:
            self.counters.add(self.embeddings.counted())


@dataclass(frozen=True, eq=False)
class JobContext:
    """One attempt of one job.

    Attributes:
        worker: the collaborators.
        job_id: the job's id on the queue.
        attempts_left: how often the queue tries again if this attempt raises.
        stopping: whether the job should give back what is left: the process was asked to end, or it is not
            urgent and something more urgent waits.
        request_id: of the request that the job goes back to, if it is known.
        begin_part: says that a task, an image or the last push begins, each of which has a time of its own.
    """

    worker: WorkerContext
    job_id: str
    attempts_left: int
    stopping: Callable[[], bool]
    request_id: str | None = None
    begin_part: Callable[[], None] = lambda: None

    def label_studio_is_down(self, error: TransientError) -> bool:
        """Whether *error* is due to Label Studio being down, so that the whole job should wait: raise it."""
        return label_studio_is_down(self.worker.label_studio, self.worker.breaker, error)


current_job: ContextVar[JobContext] = ContextVar("current_job")
