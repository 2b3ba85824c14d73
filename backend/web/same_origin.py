"""No other web site may press our buttons.

A browser adds the user name and the password to whatever request a page of any site makes it send. But it
says where that page is from, and no page can keep it from that: ``Sec-Fetch-Site``, or the older ``Origin``.
Label Studio and programs send neither, and no form either.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, abort, request

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})  # none: the person typed the address
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def require_same_origin(app: Flask) -> None:
    """Let *app* answer 403 to what a page of another site sends."""
    app.before_request(_check)


def _check() -> None:
    if request.method not in _SAFE and not _is_own():
        abort(
            HTTPStatus.FORBIDDEN,
            "expected a request from this backend's own pages, got one from another site; "
            "open the status page and press the button there",
        )


def _is_own() -> bool:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in _OWN
    if origin is not None:
        return urlsplit(origin).netloc == request.host
    return request.mimetype not in _FORMS
