"""The body of a request as a JSON object.

Label Studio sends tasks with all their annotations, and those with all their masks, which nobody here looks
at. To parse them number by number would hold up every other request, so they are left out before parsing.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from backend.web.errors import BodyError

_RLE = b'"rle"'
_ARRAY_START = re.compile(rb"\s*:\s*\[")
_OF_NUMBERS = b"0123456789, \t\r\n"


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a body; the arrays of numbers called ``rle`` come out empty.

    Raises:
        BodyError: the body is not JSON, or is not an object.
    """
    try:
        value = json.loads(b"".join(_without_masks(body)))
    except (ValueError, RecursionError) as exc:
        raise BodyError(f"expected the body to be JSON, got {len(body)} bytes that are not: {exc}") from exc
    if not isinstance(value, dict):
        raise BodyError(f"expected the body to be a JSON object, got {type(value).__name__}")
    return value


def _without_masks(body: bytes) -> Iterator[memoryview]:
    """Cut the body into pieces around its masks.

    In JSON, ``"rle"`` followed by a colon ends a key, and an array of numbers ends at the next bracket.
    """
    view, kept, position = memoryview(body), 0, 0
    while (key := body.find(_RLE, position)) >= 0:
        position = key + len(_RLE)
        array = _ARRAY_START.match(body, position)
        end = body.find(b"]", array.end()) if array else -1
        if array and end >= 0 and not body[array.end() : end].translate(None, _OF_NUMBERS):
            yield view[kept : array.end()]
            kept = position = end
    yield view[kept:]
