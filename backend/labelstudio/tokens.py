"""API keys: legacy tokens, sent as they are, and personal access tokens, exchanged for short-lived ones."""

import base64
import binascii
import json
import math
import threading
import time
from collections.abc import Generator
from typing import Any

import httpx

from backend.labelstudio.errors import TokenRefusedError
from backend.labelstudio.sdk_errors import check_status, label_studio_errors

_MARGIN_S = 30  # an access token is exchanged this long before it expires
_UNKNOWN_LIFE_S = 60


class ApiKey:
    """One user's API key for one Label Studio.

    Serves the SDK's requests and the fetcher's alike: what the SDK would keep for itself is private to it.

    Args:
        url: Label Studio's address, without a slash at its end.
        key: a legacy token or a personal access token.
        http: the client that exchanges tokens.

    Raises:
        TokenRefusedError: *key* cannot be one.
    """

    def __init__(self, url: str, key: str, http: httpx.Client) -> None:
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise TokenRefusedError(
                "expected an API key of Label Studio, got "
                + ("one with spaces or odd characters" if key else "none")
                + ": set LABEL_STUDIO_API_KEY to a personal access token (Account & Settings) or a legacy one"
            )
        self._url = url
        self._key = key
        self._http = http
        self._is_personal = _claims(key) is not None
        self._lock = threading.Lock()
        self._access = ""
        self._fresh_until: tuple[float, ...] = (-math.inf, -math.inf)

    def authorisation(self) -> str:
        """The ``Authorization`` header's value, valid now.

        Raises:
            TokenRefusedError: Label Studio does not exchange the personal access token.
            TransientError: it does not answer now.
        """
        if not self._is_personal:
            return f"Token {self._key}"
        with self._lock:
            now = _clocks()
            if any(reads > end for reads, end in zip(now, self._fresh_until, strict=True)):
                self._access = self._exchanged()
                fresh_s = _life_s(self._access) - _MARGIN_S
                self._fresh_until = tuple(reads + fresh_s for reads in now)
            return f"Bearer {self._access}"

    def renew(self, refused: str) -> bool:
        """Give up an access token that Label Studio has *refused*; whether there may be another one.

        Args:
            refused: the ``Authorization`` header's value.
        """
        with self._lock:
            if refused == f"Bearer {self._access}":  # else it was exchanged in the meantime
                self._fresh_until = (-math.inf, -math.inf)
        return self._is_personal

    def _exchanged(self) -> str:
        with label_studio_errors(self._url, "exchange the personal access token"):
            reply = self._http.post(
                f"{self._url}/api/token/refresh/", json={"refresh": self._key}, auth=httpx.Auth()
            )
            check_status(reply, 200)
            access = reply.json().get("access")
        if not isinstance(access, str) or not access.isascii():
            raise TokenRefusedError(f"expected an access token from Label Studio at {self._url}, got none")
        return access


class Authorised(httpx.Auth):
    """Gives each request the key; once more with a new access token where one was refused."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """As httpx wants it."""
        request.headers["Authorization"] = sent = self._key.authorisation()
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED and self._key.renew(sent):
            request.headers["Authorization"] = self._key.authorisation()
            yield request


def _clocks() -> tuple[float, float]:
    """Seconds on two clocks: the first stands still while a machine sleeps, the second may be set back."""
    return time.monotonic(), time.time()


def _life_s(access: str) -> float:
    """How long the access token lives, from when it is issued.

    By Label Studio's clock alone if that is told: this machine's may show another time.
    """
    claims = _claims(access) or {}
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int):
        return _UNKNOWN_LIFE_S
    return expires - (issued if isinstance(issued, int) else time.time())


def _claims(token: str) -> dict[str, Any] | None:
    """The payload of a JSON web token, unverified; None if *token* is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None
