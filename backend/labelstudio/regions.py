"""Brush regions: out of an annotation's result, into a prediction's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.brush_rle import decode_rle, encode_rle
from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import BrushControl

_SPECK_PIXELS = 4


@dataclass(frozen=True, eq=False)
class BrushRegion:
    """One painted instance: its label, mask (H, W) bool, and the region's id."""

    label: str
    mask: NDArray[np.bool_]
    region_id: str


@dataclass(frozen=True, eq=False)
class ScoredMask:
    """One instance to push: its label, mask (H, W) bool, and confidence in [0, 1]."""

    label: str
    mask: NDArray[np.bool_]
    score: float

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise RegionError(f"expected a mask (H, W) bool, got {self.mask.shape} {self.mask.dtype}")
        if not 0 <= self.score <= 1:
            raise RegionError(f"expected a score in [0, 1], got {self.score}")


def brush_regions(
    result: Sequence[Mapping[str, Any]], control: BrushControl, *, label: str | None = None
) -> list[BrushRegion]:
    """The non-empty brush regions of *result* that a person painted with *control* and its labels.

    Regions as the model predicted them are left out. A region with several labels comes once for each.

    Args:
        result: the annotation's ``result``.
        control: the brush control of the label config.
        label: only regions of this label.

    Raises:
        RegionError: one of them is rotated or has no size.
        RleError: one of them cannot be decoded.
    """
    wanted = control.labels if label is None else (label,)
    regions = []
    for region in result:
        labels = [name for name in wanted if name in _labels(region, control)]
        mask = _mask(region) if labels else None
        if mask is not None and mask.any():
            regions += [BrushRegion(name, mask, str(region.get("id", ""))) for name in labels]
    return regions


def prediction(
    task_id: int,
    model_version: str,
    control: BrushControl,
    size_hw: tuple[int, int],
    instances: Iterable[ScoredMask],
) -> dict[str, Any]:
    """One item of a bulk import: a region per instance; without instances an empty prediction.

    Masks of a few pixels are left out. The prediction's score is the mean of its regions'. The instances are
    taken one by one, so that their masks need not all be held at once.

    Raises:
        RegionError: a mask has another size than *size_hw*, or a label is not in the config.
    """
    result = []
    for each in instances:
        _check(each, control, size_hw)
        if np.count_nonzero(each.mask) >= _SPECK_PIXELS:
            result.append(_region(each, control, size_hw))
    item: dict[str, Any] = {"task": task_id, "model_version": model_version}
    if result:
        item["score"] = min(1.0, sum(region["score"] for region in result) / len(result))
    return {**item, "result": result}


def _labels(region: Mapping[str, Any], control: BrushControl) -> Iterable[str]:
    """The labels of a region that a person painted with *control*; none of any other region."""
    value = region.get("value")
    painted = region.get("type") == "brushlabels" and region.get("from_name") == control.from_name
    if not painted or region.get("origin") == "prediction" or not isinstance(value, Mapping):
        return ()
    labels = value.get("brushlabels")
    return labels if isinstance(labels, list) else ()


def _mask(region: Mapping[str, Any]) -> NDArray[np.bool_]:
    name = f"region {region.get('id')!r}"
    if region.get("image_rotation"):
        raise RegionError(
            f"{name} is painted on an image turned by {region['image_rotation']} degrees; "
            "turn the image back to 0 in Label Studio and paint it again"
        )
    height, width = region.get("original_height"), region.get("original_width")
    if not isinstance(height, int) or not isinstance(width, int):
        raise RegionError(f"expected {name} to have the size of its image, got {width!r} x {height!r}")
    value = region["value"]
    if value.get("format") != "rle":
        raise RegionError(f"expected {name} in the format 'rle', got {value.get('format')!r}")
    return decode_rle(value.get("rle"), (height, width))


def _check(instance: ScoredMask, control: BrushControl, size_hw: tuple[int, int]) -> None:
    if instance.mask.shape != size_hw:
        raise RegionError(f"expected masks of {size_hw} (height, width), got {instance.mask.shape}")
    if instance.label not in control.labels:
        raise RegionError(f"expected one of the labels {control.labels}, got {instance.label!r}")


def _region(instance: ScoredMask, control: BrushControl, size_hw: tuple[int, int]) -> dict[str, Any]:
    height, width = size_hw
    return {
        "id": uuid4().hex[:16],
        "type": "brushlabels",
        "from_name": control.from_name,
        "to_name": control.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": float(instance.score),
        "origin": "prediction",
        "value": {"format": "rle", "rle": encode_rle(instance.mask), "brushlabels": [instance.label]},
    }
