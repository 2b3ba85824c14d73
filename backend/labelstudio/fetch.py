"""Image bytes from wherever a task's data points to, through one guarded fetcher."""

import base64
import binascii
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from urllib.parse import unquote_to_bytes

import httpcore
import httpx

from backend.labelstudio.certificates import TRUST_IT, is_untrusted
from backend.labelstudio.errors import (
    FetchRefusedError,
    ImageUnavailableError,
    LabelStudioUnavailableError,
    StorageFailedError,
    TokenRefusedError,
    TransientError,
)
from backend.labelstudio.images import DecodedImage, ImageLimits, decode_reduced
from backend.labelstudio.network import NO_PRIVATE_HOSTS, Deadline, GuardedBackend, PrivateHosts, is_public
from backend.labelstudio.quoted import quotable
from backend.labelstudio.retry_after import retry_after_s

_CLOUD = ("s3", "gs", "azure-blob")
_MOST_REDIRECTS = 5
_WHOLE_TRANSFER = 4  # times the timeout of one step
_BUSY = frozenset({408, 425, 429})
_OF_STORAGE = 424  # what Label Studio answers when it passes on what a storage holds, and cannot read that
_LOCAL_FILES = "/data/local-files/"
_SERVE_LOCAL_FILES = (
    "to serve local files, start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
    "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to a folder above them, and add a local storage with them "
    "to the project"
)
_EXPECTED = "expected the address of an image: /data/…, http(s)://…, data:…, s3://…, gs://… or azure-blob://…"


class ImageFetcher:
    """Fetches the addresses that stand in task data.

    Args:
        label_studio_url: Label Studio's address: the only origin that is given the token; it may be
            private.
        authorise: the ``Authorization`` header's value for Label Studio, asked for at every request.
        limits: bounds on what is fetched.
        timeout_s: seconds a connection or a pause between two pieces may take; a whole transfer may
            take four times as long.
        private_hosts: others that may be private, too.
        is_public: whether a numeric address may be connected to that is not Label Studio's.
        known_as: asks for Label Studio's address as browsers reach it, for it writes that into tasks with
            local files; what begins so is asked of *label_studio_url*. Empty: nobody knows it.
    """

    def __init__(
        self,
        label_studio_url: str,
        authorise: Callable[[], str],
        *,
        limits: ImageLimits,
        timeout_s: float,
        private_hosts: PrivateHosts = NO_PRIVATE_HOSTS,
        is_public: Callable[[str], bool] = is_public,
        known_as: Callable[[], str] = lambda: "",
    ) -> None:
        self._label_studio = httpx.URL(label_studio_url)
        self._authorise = authorise
        self._limits = limits
        self._timeout_s = timeout_s
        self._private_hosts = private_hosts
        self._is_public = is_public
        self._known_as = known_as

    def image(self, uri: str, *, task_id: int | None = None) -> DecodedImage:
        """The image at *uri*, within the limits; a large JPEG perhaps at reduced size.

        Raises:
            ImageRefusedError: it is none that can be used.
            LabelStudioError: as ``fetch``.
        """
        return decode_reduced(self.fetch(uri, task_id=task_id), limits=self._limits)

    def fetch(self, uri: str, *, task_id: int | None = None) -> bytes:
        """The bytes at *uri*: an upload, a local file, http(s), a data URI, cloud storage (with *task_id*).

        Raises:
            ImageUnavailableError: the image's server does not answer, or says that it may later.
            LabelStudioUnavailableError: the same of Label Studio.
            FetchRefusedError: the address may not be fetched, is forbidden, gone, or too large.
            TokenRefusedError: Label Studio does not know the token.
        """
        uri = uri.strip()
        if uri[:5].lower() == "data:":
            return self._data_uri_bytes(uri)
        url = self._address(uri, task_id)
        deadline = Deadline.after(self._timeout_s * _WHOLE_TRANSFER)
        for _ in range(_MOST_REDIRECTS + 1):
            reply = self._get(url, deadline)
            if isinstance(reply, bytes):
                return reply
            url = reply
        raise FetchRefusedError(
            f"expected at most {_MOST_REDIRECTS} redirects, got another one to {_shown(url)}"
        )

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        """Made when it is first needed: that takes a while."""
        return httpx.create_ssl_context()

    def _address(self, uri: str, task_id: int | None) -> httpx.URL:
        scheme, separator, _ = uri.partition("://")
        if separator and scheme.lower() in _CLOUD:
            return self._presign_address(uri, task_id)
        if uri.startswith("/") and not uri.startswith("//"):
            return self._on_label_studio(uri)
        if separator and scheme.lower() in ("http", "https"):
            return self._as_own(_parsed(uri))
        raise FetchRefusedError(f"{_EXPECTED}, got {scheme[:20] + '://…' if separator else uri[:80]!r}")

    def _presign_address(self, uri: str, task_id: int | None) -> httpx.URL:
        """Where Label Studio's storage answers with the image, or with a redirect to it."""
        if task_id is None:
            raise FetchRefusedError(
                "images in cloud storage come through Label Studio's task, got no task id"
            )
        encoded = base64.urlsafe_b64encode(uri.encode()).decode()
        return self._on_label_studio(f"/tasks/{task_id}/presign/?fileuri={encoded}")

    def _as_own(self, url: httpx.URL) -> httpx.URL:
        """*url*, or where we find it if browsers find Label Studio there."""
        known_as = self._known_as()
        if not known_as or _origin(url) != _origin(shown := _parsed(known_as)):
            return url
        prefix, path = shown.path.rstrip("/"), url.raw_path.decode("ascii")
        return self._on_label_studio(path.removeprefix(prefix)) if path.startswith(prefix + "/") else url

    def _on_label_studio(self, path: str) -> httpx.URL:
        """*path* on Label Studio; below its own path if it has one and *path* does not have it yet."""
        prefix = self._label_studio.path.rstrip("/")
        if prefix and not path.startswith(prefix + "/"):
            path = prefix + path
        origin = self._label_studio.copy_with(username="", password="", path="/", query=None, fragment=None)
        return _parsed(str(origin).rstrip("/") + path)

    def _data_uri_bytes(self, uri: str) -> bytes:
        head, separator, body = uri.partition(",")
        if not separator:
            raise FetchRefusedError(
                "expected a data URI like data:image/png;base64,…, got one without a comma"
            )
        if len(body) > 3 * self._limits.max_bytes:  # every byte may be written as %XX
            raise FetchRefusedError(self._too_large(f"a data URI of {len(body)} characters"))
        data = unquote_to_bytes(body)
        if head.lower().endswith(";base64"):
            try:
                data = base64.b64decode(data)
            except binascii.Error as exc:
                raise FetchRefusedError(f"expected base64 in the data URI: {exc}") from exc
        if len(data) > self._limits.max_bytes:
            raise FetchRefusedError(self._too_large(f"a data URI of {len(data)}"))
        return data

    def _get(self, url: httpx.URL, deadline: Deadline) -> bytes | httpx.URL:
        """The body at *url*, or where it redirects to."""
        own = _origin(url) == _origin(self._label_studio)
        named = own or self._private_hosts.has_name(url.host)
        backend = GuardedBackend(deadline, (lambda _: True) if named else self._is_allowed)
        ssl_context = self._ssl_context if url.scheme == "https" else None
        sent = self._headers(url, own=own)
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._timeout_s)
        with (
            _translated(url, own=own),
            httpcore.ConnectionPool(ssl_context, network_backend=backend) as pool,
            pool.stream(
                "GET",
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=sent,
                extensions={"timeout": timeouts},
            ) as response,
        ):
            headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            if response.status in (301, 302, 303, 307, 308) and b"location" in headers:
                return _parsed_redirect(url, headers[b"location"])
            if own and response.status == 500:
                _check_whether_gone(url, response)
            if own and response.status == 403:
                raise _forbidden(url, quotable(_start(response), authorization=str(sent["Authorization"])))
            _check_status(url, response.status, headers.get(b"retry-after"), own=own)
            return self._body(url, response, headers)

    def _is_allowed(self, address: str) -> bool:
        return self._is_public(address) or self._private_hosts.has_address(address)

    def _headers(self, url: httpx.URL, *, own: bool) -> dict[bytes | str, bytes | str]:
        headers: dict[bytes | str, bytes | str] = {
            "Host": url.netloc,
            "User-Agent": "label-studio-oneshot",
            "Accept": "image/*,*/*;q=0.8",
            "Accept-Encoding": "identity",
        }
        if own:
            headers["Authorization"] = self._authorise()
        elif url.userinfo:
            credentials = f"{url.username}:{url.password}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
        return headers

    def _body(self, url: httpx.URL, response: httpcore.Response, headers: dict[bytes, str]) -> bytes:
        if headers.get(b"content-encoding", "identity").lower() != "identity":
            raise FetchRefusedError(f"expected the image as it is, {_shown(url)} sends it compressed")
        declared = headers.get(b"content-length", "")
        if declared.isdecimal() and int(declared) > self._limits.max_bytes:
            raise FetchRefusedError(self._too_large(f"{declared} at {_shown(url)}"))
        body = bytearray()
        for piece in response.iter_stream():
            body += piece
            if len(body) > self._limits.max_bytes:
                raise FetchRefusedError(self._too_large(f"more at {_shown(url)}"))
        return bytes(body)

    def _too_large(self, came: str) -> str:
        return f"expected an image of at most {self._limits.max_bytes} bytes, got {came}"


def _check_whether_gone(url: httpx.URL, response: httpcore.Response) -> None:
    """Label Studio 1.23 answers 500 with this error, not 404, when an uploaded file was deleted."""
    if b"has no attribute 'has_permission'" in _start(response):
        raise FetchRefusedError(f"the image is gone: Label Studio has no upload {_shown(url)} (any more)")


def _start(response: httpcore.Response) -> bytes:
    return b"".join(islice(response.iter_stream(), 4))


def _forbidden(url: httpx.URL, said: str) -> FetchRefusedError:
    """The key is known, but this image is not for its user, or for nobody: others may be."""
    told = f"Label Studio does not let the user of the API key have {_shown(url)} (HTTP status 403)"
    told += f"; it says: {said}" if said else ""
    if _LOCAL_FILES in url.path:
        return FetchRefusedError(f"{told}; {_SERVE_LOCAL_FILES}")
    return FetchRefusedError(told)


def _check_status(url: httpx.URL, status: int, retry_after: str | None, *, own: bool) -> None:
    if status == 200:
        return
    came = f"got HTTP status {status} from {_shown(url)}"
    if status >= 500 or status in _BUSY:
        raise _unavailable(f"expected an image, {came}", own=own, retry_after=retry_after)
    if own and status == _OF_STORAGE:
        raise StorageFailedError(
            f"Label Studio says that its storage does not give it the image, {came}: see its log, and the "
            "storage in the project's settings"
        )
    if own and status == 401:
        raise TokenRefusedError(
            f"Label Studio refused the API key for an image, {came}: check LABEL_STUDIO_API_KEY"
        )
    if own and status == 404:
        raise FetchRefusedError(
            f"the image is gone, {came}: it was deleted, or no storage of the project holds it (any more)"
        )
    raise FetchRefusedError(f"expected an image, {came}")


def _unavailable(message: str, *, own: bool, retry_after: str | None = None) -> TransientError:
    error = LabelStudioUnavailableError if own else ImageUnavailableError
    return error(message, retry_after_s=retry_after_s(retry_after))


@contextmanager
def _translated(url: httpx.URL, *, own: bool) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as exc:
        raise _unavailable(f"{_shown(url)} takes too long: {exc or type(exc).__name__}", own=own) from exc
    except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
        if is_untrusted(exc):
            message = f"{_shown(url)} has a certificate that is not trusted ({exc}); {TRUST_IT}"
            raise _unavailable(message, own=own) from exc
        raise _unavailable(f"{_shown(url)} cannot be read: {exc or type(exc).__name__}", own=own) from exc


def _parsed(uri: str) -> httpx.URL:
    try:
        url = httpx.URL(uri)
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise FetchRefusedError(f"{_EXPECTED}, got one that cannot be understood") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise FetchRefusedError(f"{_EXPECTED}, got {url.scheme}://… without a host, or not http(s)")
    return url


def _parsed_redirect(url: httpx.URL, location: str) -> httpx.URL:
    try:
        return _parsed(str(url.join(location)))
    except httpx.InvalidURL as exc:
        raise FetchRefusedError(f"{_shown(url)} redirects to an address that cannot be understood") from exc


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host.lower().rstrip("."), url.port or {"http": 80}.get(url.scheme, 443)


def _shown(url: httpx.URL) -> str:
    """*url* for a message: without the credentials that its user part, query or fragment may hold."""
    address = f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"
    return (address if len(address) <= 200 else address[:200] + "…") + ("?…" if url.query else "")
