"""Lessons go through JSON unharmed, and nothing else is taken for one."""

import json
from dataclasses import fields
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.vision.box_regression import BoxRegression
from backend.vision.edge_regression import EdgeRegression
from backend.vision.errors import LearnedError
from backend.vision.evidence import FITTED, Weights
from backend.vision.inset import INSETS
from backend.vision.learned import Learned, Lesson
from backend.vision.rim import FEATURES, MEANS
from backend.vision.taste import Taste
from tests.vision.made_by_hand import cues

numbers = st.floats(allow_nan=False, allow_infinity=False)
weights = st.builds(Weights, **{one.name: numbers for one in fields(Weights)})
tastes = st.builds(Taste, st.lists(numbers).map(tuple), numbers, numbers)
prompts = st.lists(numbers).map(tuple)


def many(count: int) -> st.SearchStrategy[tuple[float, ...]]:
    """So many numbers."""
    return st.lists(numbers, min_size=count, max_size=count).map(tuple)


lesson_of_a_label = st.builds(
    Lesson,
    *(weights, st.none() | tastes, st.none() | prompts, st.booleans(), st.none() | prompts),
    *(st.none() | st.builds(BoxRegression, prompts, prompts, prompts), st.sampled_from(INSETS)),
    st.none() | st.builds(EdgeRegression, many(FEATURES + 1), many(MEANS), many(MEANS)),
)
lessons = st.builds(Learned, st.dictionaries(st.text(), lesson_of_a_label))
ONE = Learned({"date": Lesson(FITTED.second, Taste((1.0, 0.5), 0.25, 2.0), (0.5, -0.25))})


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


DATE = json.loads(ONE.to_json())["lessons"]["date"]
WEIGHTS, TASTE = DATE["weights"], DATE["taste"]
EDGES = {"weights": [1.0] * 37, "least": [0.0] * 6, "most": [1.0] * 6}
BOXES = {"right": [1.0], "down": [0.5], "side": [2.0]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON"),
        ("[]", "format"),
        (_broken(format=0), "expected format"),
        (_broken(more=1), "more"),
        (_broken(lessons=[]), "by label"),
        (_broken(lessons={"date": {}}), "date"),
        (_broken(lessons={"date": DATE | {"more": 1.0}}), "more"),
        (_broken(lessons={"date": DATE | {"weights": WEIGHTS | {"ripe": 1.0}}}), "ripe"),
        (_broken(lessons={"date": DATE | {"weights": WEIGHTS | {"bias": "1"}}}), "bias of 'date'"),
        (_broken(lessons={"date": DATE | {"weights": WEIGHTS | {"bias": True}}}), "bias of 'date'"),
        (_broken(lessons={"date": DATE | {"weights": WEIGHTS | {"bias": float("nan")}}}), "finite"),
        (_broken(lessons={"date": DATE | {"taste": []}}), "taste of 'date'"),
        (_broken(lessons={"date": DATE | {"taste": TASTE | {"direction": 1}}}), "expected a list"),
        (_broken(lessons={"date": DATE | {"taste": TASTE | {"direction": [1, None]}}}), "direction"),
        (_broken(lessons={"date": DATE | {"taste": TASTE | {"weight": None}}}), "weight of 'date'"),
        (_broken(lessons={"date": DATE | {"prompt": 1.0}}), "prompt of 'date': expected a list"),
        (_broken(lessons={"date": DATE | {"prompt": ["1"]}}), "prompt of 'date'"),
        (_broken(lessons={"date": DATE | {"outline": {}}}), "outline of 'date': expected a list"),
        (_broken(lessons={"date": DATE | {"boxes": []}}), "boxes of 'date'"),
        (_broken(lessons={"date": DATE | {"boxes": {"right": [1.0], "down": [1.0]}}}), "side"),
        (_broken(lessons={"date": DATE | {"boxes": BOXES | {"down": 1}}}), "down of 'date': expected a list"),
        (_broken(lessons={"date": DATE | {"redrawn": 1}}), "redrawn of 'date': expected true or false"),
        (_broken(lessons={"date": DATE | {"inset": "1"}}), "inset of 'date': expected a finite number"),
        (_broken(lessons={"date": DATE | {"edges": [1.0]}}), "edges of 'date': expected an object"),
        (
            _broken(lessons={"date": DATE | {"edges": EDGES | {"most": [2.0]}}}),
            r"\(37, 6, 6\) numbers, got \(37, 6, 1\)",
        ),
        (_broken(lessons={"date": DATE | {"edges": EDGES | {"weights": [None] * 37}}}), "weights of 'date'"),
        (_broken(lessons={"date": DATE | {"inset": 7}}), "inset of 'date': expected one of 0, 0.5, -0.5"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    """It says what was wrong and what to do."""
    with pytest.raises(LearnedError, match=said) as raised:
        Learned.from_json(text)

    assert "learn anew" in str(raised.value)


def test_prompts_are_those_of_the_labels_that_have_one() -> None:
    """As tensors."""
    learned = Learned(dict(ONE.lessons) | {"fig": Lesson(FITTED.second)})

    assert {label: prompt.tolist() for label, prompt in learned.prompts().items()} == {"date": [0.5, -0.25]}


def test_prompts_of_another_sam_are_refused() -> None:
    """It says how many numbers this one needs; no prompt fits every SAM."""
    outline = Learned({"fig": Lesson(FITTED.second, outline=(0.5, -0.25, 1.0))})

    ONE.fits(2)
    Learned().fits(3)
    with pytest.raises(LearnedError, match="prompt of 'date': expected 3 numbers"):
        ONE.fits(3)
    with pytest.raises(LearnedError, match="prompt of 'fig': expected 2 numbers"):
        outline.fits(2)


def test_taste_adds_to_the_cues_unless_looks_shall_tell_nothing() -> None:
    """A vector that is all confirmed is worth 2 more on the logistic scale: 1 from its value, times 2."""
    seen, vector = cues([1.0]), torch.tensor([[1.0, 0.5]])  # 1 + 0.25 - 0.25
    lesson = ONE.lessons["date"]

    told = lesson.evidence(seen, vector).logit() - lesson.weights.evidence(seen).logit()

    assert told.tolist() == pytest.approx([2.0], abs=1e-4)
    assert torch.equal(lesson.evidence(seen, None), lesson.weights.evidence(seen))
    assert lesson.neutral(["likeness"]).taste is None
    assert lesson.neutral(["colour"]).taste == lesson.taste
