"""Where the label config's ``$photo.url`` and ``$photos[0]`` lead to in a task's data."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.task_data import image_address, task_value

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


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("none", "the address of an image under 'none' in the task's data, got None;"),
        ("a", "the address of an image under 'a' in the task's data, got {'b': "),
        ("pages[1]", "the address of an image under 'pages[1]' in the task's data, got {'url': "),
        ("pages[2]", "the address of an image under 'pages[2]' in the task's data, got None;"),
        ("image[0]", "a list of images' addresses under 'image' in the task's data, got '/1.png';"),
        ("empty[0]", "a list of images' addresses under 'empty' in the task's data, got [];"),
        ("none[0]", "a list of images' addresses under 'none' in the task's data, got None;"),
        (
            "long",
            f"the address of an image under 'long' in the task's data, got [{', '.join('0' * 27)[:79]};",
        ),
    ],
)
def test_what_is_no_address_is_told_with_what_was_expected_and_where(key: str, told: str) -> None:
    """Where the list itself is missing, that is said instead."""
    with pytest.raises(FetchRefusedError) as caught:
        image_address(DATA | {"empty": [], "long": [0] * 999}, key)

    assert f"expected {told}" in str(caught.value)


def test_an_address_may_stand_in_a_list() -> None:
    assert image_address(DATA, "pages[0]") == "/first.png"
    assert image_address(DATA, "pages[1].url") == "/second.png"


@given(st.text(alphabet="ab.[]01٣-") | st.text())
def test_any_key_leads_somewhere_or_nowhere(key: str) -> None:
    task_value({"a": [{"b": [1]}], "b": {"a": {"0": 1}}}, key)
