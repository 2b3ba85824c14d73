"""How images are fetched, from the settings."""

from collections.abc import Callable

from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.images import ImageLimits
from backend.labelstudio.network import PrivateHosts
from backend.settings import Settings
from backend.vision.views import MAX_TILES, enough_side
from backend.worker.errors import WorkerStartError


def image_limits(settings: Settings) -> ImageLimits:
    """Bounds on the images of tasks; how large JPEGs are decoded follows from the finest tiles.

    Never less than the usual ones need: the semantic check looks closely whatever the tiles are.
    """
    return ImageLimits(
        max_bytes=settings.oneshot_max_image_bytes,
        max_side=settings.oneshot_max_image_side,
        max_pixels=settings.oneshot_max_image_pixels,
        enough_side=enough_side(max(settings.oneshot_max_tiles, MAX_TILES)),
    )


def image_fetcher(
    settings: Settings, authorise: Callable[[], str], told: Callable[[], str | None] = lambda: None
) -> ImageFetcher:
    """Make the fetcher of the images of tasks.

    Args:
        settings: of this process.
        authorise: the ``Authorization`` header's value for Label Studio.
        told: asks where browsers find Label Studio by what it told us, if no setting says so.

    Raises:
        WorkerStartError: ONESHOT_PRIVATE_HOSTS cannot be understood.
    """
    try:
        private_hosts = PrivateHosts.parse(settings.oneshot_private_hosts)
    except ValueError as exc:
        raise WorkerStartError(f"ONESHOT_PRIVATE_HOSTS: {exc}") from None
    return ImageFetcher(
        settings.label_studio_url,
        authorise,
        limits=image_limits(settings),
        timeout_s=settings.oneshot_fetch_timeout_s,
        private_hosts=private_hosts,
        known_as=lambda: settings.label_studio_public_url or told() or "",
    )
