"""Lessons go through JSON unharmed, and nothing else is taken for one."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.vision.errors import LearnedError
from backend.vision.evidence import FITTED, Weights
from backend.vision.learned import Learned, Lesson

numbers = st.floats(allow_nan=False, allow_infinity=False)
weights = st.builds(Weights, **{one.name: numbers for one in fields(Weights)})
lessons = st.builds(Learned, st.dictionaries(st.text(), st.builds(Lesson, weights)))
ONE = Learned({"date": Lesson(FITTED.second)})


@given(lessons)
def test_what_is_written_is_read_again(learned: Learned) -> None:
    """Every digit, and every label."""
    assert Learned.from_json(learned.to_json()) == learned


def test_the_order_of_labels_does_not_show() -> None:
    """Workers compare what they hold by its text."""
    ab, ba = (Learned(dict.fromkeys(order, ONE.lessons["date"])) for order in ("ab", "ba"))

    assert ab.to_json() == ba.to_json()


def _broken(**changes: Any) -> str:
    """The lesson on dates with other entries."""
    return json.dumps(json.loads(ONE.to_json()) | changes)


WEIGHTS = json.loads(ONE.to_json())["lessons"]["date"]["weights"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON"),
        ("[]", "format"),
        (_broken(format=0), "expected format"),
        (_broken(more=1), "more"),
        (_broken(lessons=[]), "by label"),
        (_broken(lessons={"date": {}}), "date"),
        (_broken(lessons={"date": {"weights": WEIGHTS | {"taste": 1.0}}}), "taste"),
        (_broken(lessons={"date": {"weights": WEIGHTS | {"bias": "1"}}}), "bias of 'date'"),
        (_broken(lessons={"date": {"weights": WEIGHTS | {"bias": True}}}), "bias of 'date'"),
        (_broken(lessons={"date": {"weights": WEIGHTS | {"bias": float("nan")}}}), "finite"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    """It says what was wrong and what to do."""
    with pytest.raises(LearnedError, match=said) as raised:
        Learned.from_json(text)

    assert "learn anew" in str(raised.value)
