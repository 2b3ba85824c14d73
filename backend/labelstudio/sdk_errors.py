"""What label-studio-sdk and httpx raise, told in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.parse_error import ParsingError

from backend.labelstudio.certificates import TRUST_IT, is_untrusted
from backend.labelstudio.errors import (
    LabelStudioError,
    LabelStudioUnavailableError,
    NoAnswerError,
    NotFoundError,
    RequestRefusedError,
    TokenRefusedError,
    UntrustedCertificateError,
)
from backend.labelstudio.retry_after import retry_after_s

_BUSY = frozenset({408, 425, 429})
_MOST_DETAIL = 300


@contextmanager
def label_studio_errors(url: str, doing: str) -> Iterator[None]:
    """Translate what is raised inside.

    Args:
        url: Label Studio's address, for the message.
        doing: what was attempted, for the message: "read project 5".

    Raises:
        TransientError: unreachable, too slow, overloaded, failing, of a certificate that is not trusted.
        TokenRefusedError: the API key is not accepted, or not for this.
        NotFoundError: no such thing.
        RequestRefusedError: any other answer that is not what was expected.
    """
    where = f"cannot {doing}: Label Studio at {url}"
    try:
        yield
    except ApiError as exc:
        raise _answered(exc, where) from exc
    except ParsingError as exc:
        raise RequestRefusedError(f"{where} answers what cannot be understood: {exc}"[:_MOST_DETAIL]) from exc
    except httpx.TimeoutException as exc:
        raise NoAnswerError(f"{where} does not answer in time") from exc
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as exc:
        raise RequestRefusedError(f"{where} cannot be asked: {exc}; check LABEL_STUDIO_URL") from exc
    except httpx.TransportError as exc:
        if is_untrusted(exc):
            raise UntrustedCertificateError(
                f"{where} has a certificate that is not trusted ({exc}); {TRUST_IT}"
            ) from exc
        raise NoAnswerError(
            f"{where} is unreachable ({exc or type(exc).__name__}); check LABEL_STUDIO_URL, and that it runs"
        ) from exc
    except (AttributeError, TypeError, LookupError) as exc:  # nor does it check what the JSON is
        raise RequestRefusedError(
            f"{where} answers what cannot be understood; check that LABEL_STUDIO_URL is Label Studio's"
        ) from exc
    except (ValueError, httpx.InvalidURL) as exc:  # the SDK reads some answers as JSON unguarded
        raise RequestRefusedError(
            f"{where} answers no JSON; check that LABEL_STUDIO_URL is Label Studio's"
        ) from exc


def check_status(reply: httpx.Response, expected: int) -> None:
    """Raise what the SDK raises if *reply* has another status than *expected*."""
    if reply.status_code == expected:
        return
    try:
        body = reply.json()
    except ValueError:
        body = reply.text
    raise ApiError(status_code=reply.status_code, headers=dict(reply.headers), body=body)


def _answered(exc: ApiError, where: str) -> LabelStudioError:
    status = exc.status_code or 0
    headers = {name.lower(): value for name, value in (exc.headers or {}).items()}
    detail = f"{where} answers with status {status}: {_detail(exc.body)}"
    if status >= 500 or status in _BUSY:
        return LabelStudioUnavailableError(detail, retry_after_s=retry_after_s(headers.get("retry-after")))
    if status in (401, 403):
        return TokenRefusedError(
            f"{detail}. Set LABEL_STUDIO_API_KEY to a token of a member of the project: a personal access "
            "token (Account & Settings), or a legacy token if the organisation has those switched on"
        )
    if status == 404:
        return NotFoundError(f"{detail}. There is no such thing, or the user of the API key may not see it")
    if 300 <= status < 400:
        location = headers.get("location", "nowhere")
        return RequestRefusedError(
            f"{where} redirects to {location}: set LABEL_STUDIO_URL to where it really is"
        )
    if status < 300:
        return RequestRefusedError(f"{where} answers no JSON; check that LABEL_STUDIO_URL is Label Studio's")
    return RequestRefusedError(detail)


def _detail(body: object) -> str:
    """What the answer says, shortened: it may repeat a whole request."""
    if isinstance(body, dict):
        body = body.get("validation_errors") or body.get("detail") or body
    text = " ".join(str(body).split()).rstrip(".")
    return "a web page" if text.lower().startswith(("<!doctype", "<html")) else text[:_MOST_DETAIL]
