"""Image bytes from wherever a task's data points to, through one guarded fetcher."""

from collections.abc import Callable

from backend.labelstudio.images import ImageLimits


class ImageFetcher:
    """Fetches the addresses that stand in task data.

    Args:
        label_studio_url: Label Studio's address: the only origin that is given the token, and the only
            one that may be private.
        authorise: the ``Authorization`` header's value for Label Studio, asked for at every request.
        limits: bounds on what is fetched.
        timeout_s: seconds a connection, a pause between two pieces, and the whole transfer may take.
    """

    def __init__(
        self, label_studio_url: str, authorise: Callable[[], str], *, limits: ImageLimits, timeout_s: float
    ) -> None:
        raise NotImplementedError

    def fetch(self, uri: str, *, task_id: int | None = None) -> bytes:
        """The bytes at *uri*: an upload, a local file, http(s), a data URI, cloud storage (with *task_id*).

        Raises:
            ImageUnavailableError: the server does not answer, or says that it may later.
            FetchRefusedError: the address may not be fetched, is gone, or is too large.
            TokenRefusedError: Label Studio refused the token.
        """
        raise NotImplementedError
