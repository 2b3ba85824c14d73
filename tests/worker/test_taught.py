"""What reviews taught goes from worker to worker."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.vision.errors import LearnedError
from backend.vision.evidence import FITTED
from backend.vision.learned import Learned, Lesson
from backend.worker.taught import Taught

TAUGHT = Taught(Learned({"Coin": Lesson(FITTED.second)}), (("Coin", 12), ("Nut", 3)))


def test_what_is_written_down_is_read_again() -> None:
    assert Taught.from_json(TAUGHT.to_json()) == TAUGHT
    assert Taught.from_json(Taught().to_json()) == Taught()


def test_nothing_was_taught_without_weights_and_references() -> None:
    assert Taught().is_nothing
    assert not Taught(more=(("Coin", 1),)).is_nothing
    assert not Taught(TAUGHT.learned).is_nothing


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_anything_else_is_refused(found: object) -> None:
    """Older workers may have written it, or nobody of ours."""
    whole = {"learned": Learned().to_json(), "more": []}
    for text in (json.dumps(found), json.dumps(whole | {"learned": found}), "{"):
        with pytest.raises(LearnedError):
            Taught.from_json(text)
    if not (isinstance(found, list) and [type(each) for each in found] == [str, int]):
        with pytest.raises(LearnedError):
            Taught.from_json(json.dumps(whole | {"more": [found]}))
