"""What an answer says, for a message to people: short, one line, and nothing secret."""

import json
import re

_MOST_CHARACTERS = 200
_QUERY = re.compile(r"\?[^\s\"'<>]+=[^\s\"'<>]*")  # of an address: it may hold a signature


def quotable(answer: bytes, *, authorization: str = "") -> str:
    """The start of *answer* on one line; empty if it is a web page, no text, or repeats a secret.

    Args:
        answer: the start of what came; of JSON with a ``detail`` that is taken.
        authorization: the value of the header that was sent: its credentials must not be repeated.
    """
    try:
        text = " ".join(_detail(answer.decode()).split())
    except UnicodeDecodeError:
        return ""
    is_safe = text.isprintable() and not any(word in text for word in authorization.split()[1:])
    if text.startswith("<") or not is_safe:
        return ""
    text = _QUERY.sub("?…", text)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"


def _detail(text: str) -> str:
    try:
        content = json.loads(text)
    except ValueError:
        return text
    detail = content.get("detail") if isinstance(content, dict) else None
    return detail if isinstance(detail, str) else text
