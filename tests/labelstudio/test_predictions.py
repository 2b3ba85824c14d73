"""Predictions that Label Studio would drop in silence, or store and never show."""

from typing import Any

import numpy as np
import pytest

from backend.labelstudio.brush_rle import encode_rle
from backend.labelstudio.errors import PredictionRefusedError
from backend.labelstudio.predictions import check_predictions

LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="label" toName="image">
    <Label value="Coin"/><Label value="Shown" alias="stored"/>
  </BrushLabels>
</View>
"""


def _region(region_id: str = "region-01", label: str = "Coin", **changes: Any) -> dict[str, Any]:
    value = {"format": "rle", "rle": encode_rle(np.ones((3, 5), bool)), "brushlabels": [label]}
    shared = {"from_name": "label", "to_name": "image", "type": "brushlabels", "image_rotation": 0}
    return {"id": region_id, **shared, "original_width": 5, "original_height": 3, "value": value, **changes}


def _item(*regions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"task": 1, "model_version": "v1", "score": 0.5, "result": list(regions), **changes}


@pytest.mark.parametrize(
    "item",
    [
        _item(_region()),
        _item(_region(), _region("region-02", "stored")),
        _item(),
        {"task": 1, "model_version": "v1", "result": []},
    ],
)
def test_what_fits_passes(item: dict[str, Any]) -> None:
    check_predictions([item], "v1", LABEL_CONFIG)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (_item(score=1.5), r"Score must be between 0\.00 and 1\.00"),
        (_item(model_version="v0"), "expected the model version 'v1', got 'v0'"),
        (_item(task="1"), "expected a task id, got '1'"),
        (_item(_region(), _region()), "its own id"),
        (_item(_region("short")), "at least 8 characters, got 'short'"),
        (_item(_region(id=None)), "at least 8 characters, got None"),
        (_item(_region(from_name="other")), "'from_name' 'other' not found"),
        (_item(_region(to_name="other")), "'to_name' 'other' not found"),
        (_item(_region(type="rectanglelabels")), "does not match expected type"),
        (_item(_region(label="Button")), "Invalid value"),
        (_item(_region(label="Shown")), "Invalid value"),
        (_item(result=None), "'result' must be a list"),
        ({"task": 1, "model_version": "v1"}, "Missing required field 'result'"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_task_and_the_reason(
    item: dict[str, Any], message: str
) -> None:
    with pytest.raises(PredictionRefusedError, match=message):
        check_predictions([_item(_region()), item], "v1", LABEL_CONFIG)
