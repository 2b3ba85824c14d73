"""What of an answer may stand in a message."""

import pytest

from backend.labelstudio.quoted import quotable


@pytest.mark.parametrize(
    ("answer", "quoted"),
    [
        (b"Not on\n  weekdays.", "Not on weekdays."),
        (b'{"detail": "You have no\\npermission."}', "You have no permission."),
        (b'{"detail": {"code": 7}}', '{"detail": {"code": 7}}'),
        (b"[1, 2]", "[1, 2]"),
        (b"no: http://x/y.png?token=hidden", "no: http://x/y.png?…"),
        (b"x" * 5000, "x" * 200 + "…"),
    ],
)
def test_what_an_answer_says_is_quoted_on_one_short_line(answer: bytes, quoted: str) -> None:
    assert quotable(answer) == quoted


@pytest.mark.parametrize(
    "answer",
    [b"", b"  ", b"\n<!DOCTYPE html><p>no</p>", b"\xff\xfe", b"a\x00b", b"no such token: 0123"],
)
def test_a_web_page_what_is_no_text_and_a_repeated_secret_are_not_quoted(answer: bytes) -> None:
    assert quotable(answer, authorization="Token 0123") == ""
