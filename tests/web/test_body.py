"""Bodies as JSON, without their masks."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.web.body import json_object
from backend.web.errors import BodyError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("rle") | st.just('"rle":[1,2]'),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@pytest.mark.parametrize("body", ['{"rle":[0,7,83]}', '{"rle" :\n [ 0, 7,\t83 ] }'])
def test_masks_come_out_empty(body: str) -> None:
    assert json_object(body.encode()) == {"rle": []}


@pytest.mark.parametrize("value", [[], ["a]b"], [[1], [2]], [{"rle": "x"}], "[1]", None, 3])
def test_what_is_called_rle_but_is_no_mask_stays(value: object) -> None:
    assert json_object(json.dumps({"rle": value, "id": 1}).encode()) == {"rle": value, "id": 1}


@given(st.dictionaries(st.text(), JSON))
def test_everything_else_stays(value: dict[str, object]) -> None:
    assert json_object(json.dumps(value).encode()) == value


@given(st.lists(st.integers(min_value=0, max_value=255)), st.text(), st.integers())
def test_masks_are_left_out_wherever_they_are(rle: list[int], text: str, number: int) -> None:
    def body(values: list[int]) -> dict[str, object]:
        region = {"value": {"format": "rle", "rle": values}, "text": text}
        return {"tasks": [{"id": number, "annotations": [{"result": [region, region]}]}] * 2}

    assert json_object(json.dumps(body(rle)).encode()) == body([])


@pytest.mark.parametrize("body", [b'{"rle":', b'{"rle":[', b'{"rle":[1', b'"rle":[1]', b'{"rle":[1]'])
def test_a_body_that_ends_early_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError, match="expected the body to be JSON"):
        json_object(body)


def test_large_masks_hold_up_nobody() -> None:
    """17 MB of masks: 5 ms, where parsing takes half a second during which nothing else can be answered."""
    body = (
        b'{"tasks":[{"id":1,"annotations":[{"result":[{"value":{"rle":[' + b"123," * 4_000_000 + b"0]}}]}]}]}"
    )
    start = time.process_time()

    value = json_object(body)

    assert time.process_time() - start < 0.2
    assert value["tasks"][0]["id"] == 1
