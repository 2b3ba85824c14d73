"""Which prediction an annotation was made from, and whether anybody looked at it."""

from typing import Any

import pytest

from backend.labelstudio.origin import merely_converted, objects, parent_of


def regions(*ids: str, origin: str = "") -> list[dict[str, Any]]:
    """Regions with these ids, as predictions have them, or as the editor leaves them."""
    return [{"id": each} | ({"origin": origin} if origin else {}) for each in ids]


def left(*ids: str) -> list[dict[str, Any]]:
    """Predicted regions that are left in an annotation, the first of them redrawn."""
    return regions(*ids[:1], origin="prediction-changed") + regions(*ids[1:], origin="prediction")


OLD = {"id": 10, "model_version": "oneshot-mobilesam-a", "result": regions("a", "b")}
NEW = {"id": 11, "model_version": "oneshot-mobilesam-b", "result": regions("c", "d", "e")}
THEIRS = {"id": 12, "model_version": "yolo-3", "result": regions("f")}
PREDICTIONS = [NEW, OLD, THEIRS]


def test_the_link_says_which_prediction_it_was() -> None:
    """Whatever regions are left of it."""
    assert parent_of({"parent_prediction": 10, "result": regions("c")}, PREDICTIONS) is OLD


def test_a_draft_that_was_taken_up_again_has_no_link_but_the_regions_ids() -> None:
    """Two of the new one are left, one was drawn besides."""
    drawn = left("c", "e") + regions("x", origin="manual")

    assert parent_of({"parent_prediction": None, "result": drawn}, PREDICTIONS) is NEW


def test_it_is_the_prediction_that_shares_most_regions_and_of_equals_the_newest() -> None:
    assert parent_of({"result": left("a", "b", "c")}, PREDICTIONS) is OLD
    assert parent_of({"result": left("a", "c")}, PREDICTIONS) is NEW


@pytest.mark.parametrize(
    "annotation",
    [
        {"result": left("x", "y")},
        {"result": regions("a", "b", origin="manual")},
        {"result": []},
        {"result": [{"type": "choices"}]},
        {"result": None},
        {"result": left("f")},
        {"parent_prediction": 12, "result": regions("a")},
        {"parent_prediction": 99, "result": regions("a")},
    ],
)
def test_what_was_drawn_from_scratch_or_from_another_model_has_none(annotation: dict[str, Any]) -> None:
    """Copied by hand, for another model's prediction, or for one that is gone."""
    assert parent_of(annotation, PREDICTIONS) is None


def test_what_was_converted_in_bulk_nobody_looked_at() -> None:
    """The editor says how long it took, and whether a region is another now."""
    unchanged = regions("a", "b", origin="prediction")
    converted = {"parent_prediction": 10, "lead_time": None, "result": unchanged}

    assert merely_converted(converted)
    assert merely_converted({"parent_prediction": 10, "result": []})
    assert not merely_converted({**converted, "lead_time": 1.5})
    assert not merely_converted({**converted, "result": left("a", "b")})


def test_a_star_says_that_somebody_looked_at_it_since() -> None:
    assert not merely_converted({"parent_prediction": 10, "result": regions("a"), "ground_truth": True})


def test_what_was_made_from_no_prediction_was_not_converted() -> None:
    """Imported annotations have no time either."""
    assert not merely_converted({"parent_prediction": None, "result": regions("a")})


def test_anything_but_a_list_of_objects_has_no_objects() -> None:
    assert objects([{"id": 1}, "text", None]) == [{"id": 1}]
    assert objects("text") == objects(None) == []
