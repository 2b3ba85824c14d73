"""Which annotations are reviews of our predictions."""

from typing import Any

import pytest

from backend.labelstudio.reviewed_tasks import task_reviews

PREDICTIONS = [
    {"id": 11, "model_version": "oneshot-tiny-1", "result": [{"id": "a"}]},
    {"id": 12, "model_version": "another-model", "result": []},
]


def task(*annotations: dict[str, Any], predictions: Any = PREDICTIONS) -> dict[str, Any]:
    """A task with all that Label Studio knows of it."""
    return {"id": 7, "data": {"image": "x"}, "annotations": list(annotations), "predictions": predictions}


def test_a_review_is_an_annotation_beside_the_prediction_it_was_made_from() -> None:
    annotation = {"id": 3, "parent_prediction": 11, "result": [{"id": "b"}], "ground_truth": True}

    (review,) = task_reviews(task(annotation))

    assert (review.task_id, review.annotation_id, review.prediction_id) == (7, 3, 11)
    assert (review.predicted, review.submitted) == (({"id": "a"},), ({"id": "b"},))
    assert (review.model_version, review.ground_truth) == ("oneshot-tiny-1", True)
    assert review.task_data == {"image": "x"}


@pytest.mark.parametrize(
    "annotation",
    [
        {"id": 3, "result": []},
        {"id": 3, "parent_prediction": None, "result": []},
        {"id": 3, "parent_prediction": 12, "result": []},
        {"id": 3, "parent_prediction": 99, "result": []},
        {"id": 3, "parent_prediction": 11, "lead_time": 1.5, "result": [], "was_cancelled": True},
        {"id": 3, "parent_prediction": 11, "lead_time": None, "result": [{"id": "a"}]},
    ],
    ids=["no parent", "null parent", "another model's", "deleted prediction", "skipped", "converted"],
)
def test_other_annotations_are_no_reviews(annotation: dict[str, Any]) -> None:
    assert task_reviews(task(annotation)) == []


def test_a_draft_that_was_taken_up_again_is_a_review_of_the_prediction_whose_regions_it_has() -> None:
    """Label Studio has lost the link."""
    left = [{"id": "a", "origin": "prediction-changed"}]

    (review,) = task_reviews(task({"id": 3, "parent_prediction": None, "result": left}))

    assert (review.prediction_id, review.model_version) == (11, "oneshot-tiny-1")


def test_several_people_review_a_task_in_turn() -> None:
    annotations = [{"id": each, "parent_prediction": 11, "lead_time": 1.5, "result": None} for each in (9, 4)]

    assert [each.annotation_id for each in task_reviews(task(*annotations))] == [4, 9]


@pytest.mark.parametrize("predictions", [None, [], "", [None, 3]])
def test_a_task_without_predictions_has_no_reviews(predictions: Any) -> None:
    assert task_reviews(task({"id": 3, "parent_prediction": 11}, predictions=predictions)) == []
