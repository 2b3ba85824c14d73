"""Whether predictions fit their project, before Label Studio silently drops those that do not."""

from collections.abc import Mapping, Sequence
from typing import Any

from label_studio_sdk.label_interface.interface import LabelInterface

from backend.labelstudio.errors import PredictionRefusedError
from backend.labelstudio.origin import objects

_SHORTEST_ID = 8
_MOST_TOLD = 300


def check_predictions(
    predictions: Sequence[Mapping[str, Any]], model_version: str, label_config: str
) -> None:
    """Check items of a bulk import against *label_config*.

    Raises:
        PredictionRefusedError: one does not fit; says which and why.
    """
    interface: Any = LabelInterface(label_config)
    for item in predictions:
        wrong = [*_wrong_fields(item, model_version), *_wrong_ids(item)]
        wrong += interface.validate_prediction(dict(item), return_errors=True)
        if wrong:
            raise PredictionRefusedError(
                f"the prediction of task {item.get('task')} does not fit the project: {'; '.join(wrong)}"[
                    :_MOST_TOLD
                ]
            )


def _wrong_fields(item: Mapping[str, Any], model_version: str) -> list[str]:
    wrong = []
    if not isinstance(item.get("task"), int):
        wrong.append(f"expected a task id, got {item.get('task')!r}")
    if item.get("model_version") != model_version:
        wrong.append(f"expected the model version {model_version!r}, got {item.get('model_version')!r}")
    return wrong


def _wrong_ids(item: Mapping[str, Any]) -> list[str]:
    result = item.get("result")
    regions = objects(result)
    ids = [region.get("id") for region in regions]
    pairs = [(str(region.get("id")), region.get("type") == "labels") for region in regions]
    if len(set(pairs)) < len(pairs):  # one with its labels in a Labels control is two results with one id
        return ["expected every region to have its own id"]
    return [
        f"expected region ids of at least {_SHORTEST_ID} characters, got {each!r}"
        for each in ids
        if not isinstance(each, str) or len(each) < _SHORTEST_ID
    ]
