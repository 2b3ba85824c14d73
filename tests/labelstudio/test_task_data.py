"""Where the label config's ``$photo.url`` and ``$photos[0]`` lead to in a task's data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio.task_data import task_value

DATA: dict[str, Any] = {
    "image": "/1.png",
    "a.b": "/flat.png",
    "a": {"b": "/nested.png", "c": {"d": "/deep.png"}},
    "pages": ["/first.png", {"url": "/second.png"}],
}


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("image", "/1.png"),
        ("a.b", "/flat.png"),
        ("a.c.d", "/deep.png"),
        ("pages[0]", "/first.png"),
        ("pages[1].url", "/second.png"),
        ("pages[2]", None),
        ("pages[-1]", None),
        ("pages.url", None),
        ("image.url", None),
        ("none", None),
        ("", None),
    ],
)
def test_a_key_leads_into_objects_and_lists(key: str, found: str | None) -> None:
    """A key that is there as it stands wins."""
    assert task_value(DATA, key) == found


@given(st.text(alphabet="ab.[]01٣-") | st.text())
def test_any_key_leads_somewhere_or_nowhere(key: str) -> None:
    task_value({"a": [{"b": [1]}], "b": {"a": {"0": 1}}}, key)
