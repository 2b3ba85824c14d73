"""Basic auth on every page, if it is asked for."""

import base64
import hmac

from flask import Flask, Response, jsonify, request

Credentials = tuple[str, str]  # user name, password


def require_auth(app: Flask, credentials: Credentials) -> None:
    """Let *app* answer 401 to whoever does not know the user name and the password."""
    app.before_request(lambda: None if _is_known(credentials) else _unauthorized())


def _is_known(credentials: Credentials) -> bool:
    """Compare in full whatever differs first, so that the time taken tells nothing."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    given = _decoded(encoded) if scheme.lower() == "basic" else b""
    matches = [hmac.compare_digest(given, pair) for pair in _as_sent(credentials)]
    return any(matches)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except ValueError:
        return b""


def _as_sent(credentials: Credentials) -> list[bytes]:
    """Give ``user:password`` in UTF-8, as browsers send it, and in Latin-1, as Label Studio does."""
    pair = ":".join(credentials)
    try:
        return [pair.encode(), pair.encode("latin-1")]
    except UnicodeEncodeError:
        return [pair.encode()]


def _unauthorized() -> Response:
    response = jsonify(
        error="expected the user name and password of this backend, as basic auth; got none that fit"
    )
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Basic realm="oneshot", charset="UTF-8"'
    return response
