"""What a person points at with the editor's smart tools: out of the context of an interactive request.

Label Studio sends the regions that were drawn with smart tools and not accepted yet, all with one label and
of one kind: key points, which say together which thing is meant, or else a region around or on each thing.
Where an Image shows a list of images, they may be on several of these: the one drawn on last is meant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import Control, Geometry, Place, all_labels
from backend.labelstudio.region_values import value_mask, value_point
from backend.labelstudio.regions import item_of, region_size
from backend.labelstudio.shapes import bounding_rectangle

MOST_REGIONS = 64
_KEY_POINT = "keypoint"
_BOXES = ("rectangle", "ellipse")  # drawn around a thing; what else is drawn lies on it
_OUTLINED = ("brush", "bitmask", "polygon")
_SHAPES: dict[str, Geometry] = {
    name: name for name in ("brush", "bitmask", "polygon", "rectangle", "ellipse")
}


@dataclass(frozen=True, eq=False)
class PointedThing:
    """How a person shows one thing.

    Attributes:
        points_xy: key points, in pixels.
        positive: for each of them, whether it lies on the thing; else beside it.
        box_xyxy: around the thing, in pixels.
        stroke: drawn on the thing, (H, W) bool.
    """

    points_xy: tuple[tuple[float, float], ...] = ()
    positive: tuple[bool, ...] = ()
    box_xyxy: tuple[float, float, float, float] | None = None
    stroke: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Pointing:
    """What a person points at in one image.

    Attributes:
        label: that the things get.
        image_name: the name of the Image in the label config.
        size_hw: of the image, in pixels, as the editor sees it.
        from_name: the control that was drawn with.
        things: at least one.
        item: the number of the image in the list that its Image shows; None: the only one.
    """

    label: str
    image_name: str
    size_hw: tuple[int, int]
    from_name: str
    things: tuple[PointedThing, ...]
    item: int | None = None

    @property
    def place(self) -> Place:
        """The image, as regions tell theirs."""
        return self.image_name, self.item


def pointing(
    result: Sequence[Mapping[str, Any]],
    controls: Sequence[Control],
    *,
    task_data: Mapping[str, Any] | None = None,
) -> Pointing:
    """Read the regions of an interactive request.

    Args:
        result: the context's ``result``.
        controls: of the label config.
        task_data: the task's, where labels may come from there.

    Raises:
        RegionError: they do not show a thing, or on a turned image, or have no label that is known.
        RleError: what was painted cannot be decoded.
    """
    drawn = [region for region in result if _kind(region)]
    if not drawn or len(drawn) > MOST_REGIONS:
        raise RegionError(f"expected 1 to {MOST_REGIONS} regions drawn with a smart tool, got {len(drawn)}")
    item, drawn = _on_last_image(drawn, controls)
    sizes = {region_size(region) for region in drawn}
    names = {str(region.get("to_name")) for region in drawn}
    if len(sizes) > 1 or len(names) > 1:
        raise RegionError(f"expected regions on one image, got them on {sorted(names)} of {sorted(sizes)}")
    (size_hw,), (image_name,) = sizes, names
    return Pointing(
        label=_label(result, [each for each in controls if each.to_name == image_name], task_data or {}),
        image_name=image_name,
        size_hw=size_hw,
        from_name=str(drawn[0].get("from_name")),
        things=tuple(_things(drawn, size_hw)),
        item=item,
    )


def answer_control(
    pointed: Pointing,
    controls: Sequence[Control],
    wanted: str,
    *,
    task_data: Mapping[str, Any] | None = None,
) -> Control:
    """The control that an answer goes through.

    The wanted one if it has the label; else the one that was drawn with, if it holds outlines; else the first
    that does; else the first.

    Args:
        pointed: what was asked for.
        controls: of the label config.
        wanted: name of a control, or a tag such as ``PolygonLabels``; empty: none.
        task_data: the task's, where labels may come from there.

    Raises:
        RegionError: no control on the image has the label.
    """
    fitting = [
        each
        for each in controls
        if each.to_name == pointed.image_name and pointed.label in each.labels_of(task_data or {})
    ]
    if not fitting:
        raise RegionError(
            f"expected a control that holds masks, such as BrushLabels, with the label {pointed.label!r}: "
            "add that label to one in the label config"
        )
    return max(
        fitting,  # of equals the first
        key=lambda each: (
            each.is_named(wanted),
            each.geometry in _OUTLINED,
            each.from_name == pointed.from_name,
        ),
    )


def _on_last_image(
    drawn: Sequence[Mapping[str, Any]], controls: Sequence[Control]
) -> tuple[int | None, list[Mapping[str, Any]]]:
    """The number of the image that was drawn on last, in the list that its Image shows, and what is on it."""
    lists = {each.to_name for each in controls if each.image_list}
    items = [item_of(each) if str(each.get("to_name")) in lists else None for each in drawn]
    return items[-1], [each for each, item in zip(drawn, items, strict=True) if item == items[-1]]


def _things(drawn: Sequence[Mapping[str, Any]], size_hw: tuple[int, int]) -> list[PointedThing]:
    points = [region for region in drawn if _kind(region) == _KEY_POINT]
    things = [_thing(region, size_hw) for region in drawn if _kind(region) != _KEY_POINT]
    if points:
        positive = tuple(region.get("is_positive") is not False for region in points)
        things.append(
            PointedThing(tuple(value_point(region["value"], size_hw) for region in points), positive)
        )
        if not any(positive):
            raise RegionError("expected a key point on the thing, got only key points beside it")
    return things


def _thing(region: Mapping[str, Any], size_hw: tuple[int, int]) -> PointedThing:
    kind = _kind(region)
    mask = value_mask(_SHAPES[kind], region["value"], size_hw)
    if not mask.any():
        raise RegionError(f"expected the {kind} to lie on the image, it covers no pixel of it")
    if kind not in _BOXES:
        return PointedThing(stroke=mask)
    left, top, width, height = bounding_rectangle(mask)
    return PointedThing(box_xyxy=(left, top, left + width, top + height))


def _kind(region: Mapping[str, Any]) -> str:
    """What a region draws; empty for a mere label, and for what shows no thing."""
    kind = str(region.get("type")).removesuffix("labels")
    return kind if kind in (_KEY_POINT, *_SHAPES) and isinstance(region.get("value"), Mapping) else ""


def _label(
    result: Sequence[Mapping[str, Any]], controls: Sequence[Control], task_data: Mapping[str, Any]
) -> str:
    """The first label that stands in a region, or the only one that there is."""
    for region in result:
        value = region.get("value")
        if not isinstance(value, Mapping):
            continue
        for key in (str(region.get("type")), "labels"):
            labels = value.get(key)
            if isinstance(labels, list) and labels and isinstance(labels[0], str):
                return labels[0]
    known = all_labels(controls, task_data)
    if len(known) != 1:
        raise RegionError(f"expected a region with one of the labels {known}, got none: choose a label first")
    return known[0]
