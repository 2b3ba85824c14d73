"""Basic auth on every page, if it is asked for."""

import hmac

from flask import Flask, Response, jsonify, request

Credentials = tuple[str, str]  # user name, password


def require_auth(app: Flask, credentials: Credentials) -> None:
    """Let *app* answer 401 to whoever does not know the user name and the password."""
    app.before_request(lambda: None if _is_known(credentials) else _unauthorized())


def _is_known(credentials: Credentials) -> bool:
    """Compare both in full whatever the first says, so that the time taken tells nothing."""
    given = request.authorization
    user_name, password = (given.username, given.password) if given and given.type == "basic" else ("", "")
    matches = [
        hmac.compare_digest((value or "").encode(), expected.encode())
        for value, expected in zip((user_name, password), credentials, strict=True)
    ]
    return all(matches)


def _unauthorized() -> Response:
    response = jsonify(
        error="expected the user name and password of this backend, as basic auth; got none that fit"
    )
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Basic realm="oneshot", charset="UTF-8"'
    return response
