"""The worker process, put together from the settings."""

import logging
import os
import time

from redis import Redis

from backend.jobs.addresses import Addresses
from backend.jobs.connection import connect
from backend.jobs.progress import Progress
from backend.jobs.queue import JobQueue
from backend.jobs.version import checkpoint_slug
from backend.labelstudio.client import LabelStudio
from backend.labelstudio.errors import TransientError
from backend.settings import Settings
from backend.vision.pipeline import Models
from backend.worker.context import BasicAuth, WorkerContext
from backend.worker.embedding_cache import EmbeddingCache
from backend.worker.errors import WorkerStartError
from backend.worker.images import image_fetcher, image_limits
from backend.worker.learning_options import learning_options
from backend.worker.models import configured_models
from backend.worker.output_options import output_options
from backend.worker.process import work
from backend.worker.search_options import search_options

EMBEDDINGS_FOLDER = "embeddings"  # below ONESHOT_CACHE
NICENESS = 10  # the web process on the same cores must answer within a second, whatever is computed
_REDIS_TIMEOUT_S = 40  # longer than the worker waits for a job
_PROBE_TIMEOUT_S = 3

logger = logging.getLogger(__name__)


def run_worker(settings: Settings, *, supervised: bool = False) -> None:
    """Load the models and run jobs until the process is asked to end.

    Redis must be there at the start; later it may go away and come back. Label Studio may come up later, but
    an API key that it refuses ends the worker.

    Args:
        settings: of this process.
        supervised: end when the process that started this one has.

    Raises:
        QueueUnavailableError: Redis does not answer.
        WorkerStartError: no API key is set, or ONESHOT_PRIVATE_HOSTS cannot be understood.
        TokenRefusedError: Label Studio does not accept the API key.
        CheckpointError: the weights cannot be had.
    """
    parent = os.getppid() if supervised else None
    os.nice(NICENESS)
    connection = _reach_redis(settings.redis_url)
    label_studio = _reach_label_studio(settings)
    started = time.monotonic()
    embeddings = EmbeddingCache(
        settings.oneshot_cache / EMBEDDINGS_FOLDER, max_bytes=settings.oneshot_cache_bytes
    )
    models = configured_models(settings, cache=embeddings, compiling=settings.oneshot_compile)
    logger.info(
        "loaded %s and %s in %.1f s; waiting for jobs",
        settings.oneshot_sam, settings.oneshot_semantics, time.monotonic() - started,
    )  # fmt: skip
    context = worker_context(
        settings, connection=connection, label_studio=label_studio, models=models, embeddings=embeddings
    )
    work(
        connection=connection,
        context=context,
        reconcile_s=settings.oneshot_reconcile_s,
        max_memory_bytes=settings.oneshot_max_memory,
        parent=parent,
    )
    logger.info("stopped")


def worker_context(
    settings: Settings,
    *,
    connection: Redis,
    label_studio: LabelStudio,
    models: Models,
    embeddings: EmbeddingCache | None = None,
) -> WorkerContext:
    """Put together what the jobs work with."""
    return WorkerContext(
        label_studio=label_studio,
        fetcher=image_fetcher(settings, label_studio.authorisation, Addresses(connection).label_studio),
        limits=image_limits(settings),
        models=models,
        checkpoint=checkpoint_slug(settings.oneshot_sam),
        semantics=settings.oneshot_semantics,
        search=search_options(settings),
        output=output_options(settings),
        connection=connection,
        queue=JobQueue(connection, **settings.of_jobs),
        progress=Progress(connection),
        warm_up=settings.oneshot_warm_up,
        webhook_auth=_webhook_auth(settings),
        learning=learning_options(settings),
        sampling=None if settings.oneshot_sampling == "leave" else settings.oneshot_sampling,
        stale_s=settings.oneshot_stale_s,
        embeddings=embeddings,
    )


def _webhook_auth(settings: Settings) -> BasicAuth | None:
    if not settings.oneshot_basic_auth_user:
        return None
    return BasicAuth(
        settings.oneshot_basic_auth_user, settings.oneshot_basic_auth_password.get_secret_value()
    )


def _reach_redis(redis_url: str) -> Redis:
    with connect(redis_url, timeout_s=_PROBE_TIMEOUT_S) as probe:
        JobQueue(probe).ping()
    return connect(redis_url, timeout_s=_REDIS_TIMEOUT_S)


def _reach_label_studio(settings: Settings) -> LabelStudio:
    api_key = settings.label_studio_api_key.get_secret_value()
    if not api_key:
        raise WorkerStartError(
            "LABEL_STUDIO_API_KEY is not set; expected the access token of a Label Studio user "
            f"(Account & Settings of {settings.label_studio_url})"
        )
    label_studio = LabelStudio(settings.label_studio_url, api_key, timeout_s=settings.oneshot_fetch_timeout_s)
    try:
        logger.info("Label Studio at %s: user %s", settings.label_studio_url, label_studio.user())
    except TransientError as exc:
        logger.warning("%s; going on, jobs are tried again until it answers", exc)
    return label_studio
