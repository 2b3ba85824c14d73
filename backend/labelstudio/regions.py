"""Regions that hold masks: out of an annotation's result, into a prediction's."""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.errors import RegionError
from backend.labelstudio.label_config import Control, Place
from backend.labelstudio.region_values import mask_values, value_mask
from backend.labelstudio.specks import SPECK_PIXELS

ONE_MASK = "one mask of all"  # in the note of a region that holds many things
_MOST_PIXELS = 100_000_000
_FRAME = ("original_width", "original_height", "image_rotation", "item_index")
_PART = re.compile(r"([0-9a-f]{16})-[0-9]+")  # the id of a part; those that Label Studio makes are shorter


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """One drawn instance.

    Attributes:
        label: the label.
        mask: (H, W) bool.
        region_id: the region's id.
        control: that it was drawn with.
        item: the number of its image in the list that its Image shows; None: the only one.
    """

    label: str
    mask: NDArray[np.bool_]
    region_id: str
    control: Control
    item: int | None = None

    @property
    def place(self) -> Place:
        """The image that it is on."""
        return self.control.to_name, self.item


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


@dataclass(frozen=True, eq=False)
class DrawnRegion:
    """One thing in an annotation or a prediction, not decoded yet: a region, or several that are its parts.

    Attributes:
        control: that it was drawn with.
        labels: that it has: any of them, whether the label config knows them or not.
        region: as Label Studio stores it; of several the first.
        further: the others.
    """

    control: Control
    labels: tuple[str, ...]
    region: Mapping[str, Any]
    further: tuple[Mapping[str, Any], ...] = ()

    @property
    def id(self) -> str:
        """The region's id: that of the predicted one, where a person kept or changed that."""
        return str(self.region.get("id", ""))

    @property
    def thing(self) -> str:
        """What the ids of the predicted parts of one thing share; the id of any other region."""
        part = _PART.fullmatch(self.id)
        return part[1] if part else self.id

    @property
    def regions(self) -> tuple[Mapping[str, Any], ...]:
        """All that it is drawn with."""
        return (self.region, *self.further)

    @property
    def item(self) -> int | None:
        """The number of its image in the list that its Image shows; None: the only one.

        Raises:
            RegionError: it is no number.
        """
        return item_of(self.region) if self.control.image_list else None

    @property
    def place(self) -> Place:
        """The image that it is on.

        Raises:
            RegionError: the number of its image is none.
        """
        return self.control.to_name, self.item

    def mask(self) -> NDArray[np.bool_]:
        """What it draws, (H, W) bool.

        Raises:
            RegionError: a region is on a turned image, has no size, or a value that does not fit its control.
            RleError: it cannot be decoded.
        """
        return reduce(np.logical_or, (_mask(each, self.control) for each in self.regions))


def drawn_regions(
    result: Sequence[Mapping[str, Any]], controls: Iterable[Control], *, predicted: bool = False
) -> Iterator[DrawnRegion]:
    """The things in *result* that were drawn with one of *controls* and have a label, in its order.

    Regions that were predicted as parts of one thing are one, unless a person has changed the label of some.

    Args:
        result: of an annotation or a prediction.
        controls: of the label config.
        predicted: those as the model predicted them, too; else only what a person drew or changed.
    """
    things: dict[Hashable, DrawnRegion] = {}
    for number, drawn in enumerate(_each_drawn(result, controls, predicted=predicted)):
        name = _part_of(drawn) or number
        first = things.setdefault(name, drawn)
        if first is not drawn:
            things[name] = replace(first, further=(*first.further, drawn.region))
    yield from things.values()


def _part_of(drawn: DrawnRegion) -> tuple[Hashable, ...]:
    """What is the same for all parts of a thing; nothing for what is no part."""
    frame = (str(drawn.region.get(name)) for name in _FRAME)
    return (drawn.thing, drawn.control, drawn.labels, *frame) if drawn.thing != drawn.id else ()


def _each_drawn(
    result: Sequence[Mapping[str, Any]], controls: Iterable[Control], *, predicted: bool
) -> Iterator[DrawnRegion]:
    """Each region by itself."""
    by_name: dict[tuple[str, str], list[Control]] = {}
    for control in controls:
        by_name.setdefault((control.type, control.from_name), []).append(control)
    chosen = _chosen_labels(result)
    for region in result:
        if region.get("origin") == "prediction" and not predicted:
            continue
        for control in by_name.get((str(region.get("type")), str(region.get("from_name"))), ()):
            labels = tuple(dict.fromkeys(map(str, _labels(region, control, chosen))))
            if labels:
                yield DrawnRegion(control, labels, region)


def same_regions(drawn: Iterable[DrawnRegion]) -> list[list[DrawnRegion]]:
    """The things in the order of *drawn*; one comes once for each Labels control that it has labels of."""
    things: dict[int, list[DrawnRegion]] = {}
    for each in drawn:
        things.setdefault(id(each.region), []).append(each)
    return list(things.values())


def with_one_label(drawn: Iterable[DrawnRegion], known: Sequence[str]) -> Iterator[DrawnRegion]:
    """Each thing once, with the first of its labels: as a prediction would have it.

    Args:
        drawn: as ``drawn_regions`` gives them.
        known: all labels in the label config's order; a thing with none of them stays as it is.
    """
    for thing in same_regions(drawn):
        label = next((label for label in known if any(label in each.labels for each in thing)), None)
        first = next((each for each in thing if label in each.labels), thing[0])
        yield first if label is None else replace(first, labels=(label,))


def is_merged(region: Mapping[str, Any]) -> bool:
    """Whether a region, of a prediction or of what a person made of it, holds many things in one mask."""
    meta = region.get("meta")
    notes = meta.get("text") if isinstance(meta, Mapping) else None
    return isinstance(notes, list) and any(ONE_MASK in str(note) for note in notes)


def mask_regions(
    result: Sequence[Mapping[str, Any]],
    controls: Iterable[Control],
    *,
    labels: Sequence[str],
    known: Sequence[str] = (),
    predicted: bool = False,
) -> list[MaskRegion]:
    """The non-empty things in *result* that were drawn with one of *controls*, with these labels.

    A thing with several labels counts for the first of them only.

    Args:
        result: the annotation's ``result``.
        controls: of the label config.
        labels: the labels that are looked for.
        known: all labels, in the label config's order; none: *labels* are all of them.
        predicted: regions as the model predicted them, too; else only what a person drew or changed.

    Raises:
        RegionError: one of them is on a turned image, has no size, or a value that does not fit its control.
        RleError: one of them cannot be decoded.
    """
    found = []
    for drawn in with_one_label(drawn_regions(result, controls, predicted=predicted), known or labels):
        mask = drawn.mask() if drawn.labels[0] in labels else None
        if mask is not None and mask.any():
            found.append(MaskRegion(drawn.labels[0], mask, drawn.id, drawn.control, drawn.item))
    return found


def prediction(
    task_id: int,
    model_version: str,
    controls: Mapping[str, Control],
    size_hw: tuple[int, int],
    instances: Iterable[ScoredMask],
    *,
    item: int | None = None,
    tolerance: float = 1.0,
    note: str = "",
) -> dict[str, Any]:
    """One prediction of a bulk import: the regions of each instance; without instances an empty prediction.

    Masks of a few pixels are left out. The prediction's score is the mean of its instances'. They are taken
    one by one, so that their masks need not all be held at once.

    Args:
        task_id: the task's.
        model_version: that it is stored under.
        controls: the control of each label.
        size_hw: of the image, in pixels.
        instances: what was found.
        item: the number of the image in the list that its Image shows; None: the only one.
        tolerance: how far polygons may be from a mask's edge, in pixels.
        note: for a person to read in the details of each region; empty: none.

    Raises:
        RegionError: a mask has another size than *size_hw*, or a label has no control.
    """
    result: list[dict[str, Any]] = []
    scores = []
    for each in instances:
        _check(each, controls, size_hw)
        if np.count_nonzero(each.mask) >= SPECK_PIXELS:
            regions = list(_regions(each, controls[each.label], item, tolerance))
            result += [{**region, "meta": {"text": [note]}} for region in regions] if note else regions
            scores += [each.score] * bool(regions)
    made: dict[str, Any] = {"task": task_id, "model_version": model_version}
    if scores:
        made["score"] = min(1.0, sum(scores) / len(scores))
    return {**made, "result": result}


def _chosen_labels(result: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], object]:
    """What was chosen in Labels controls, by the region's id and the control's name."""
    return {
        (str(each.get("id")), str(each.get("from_name"))): each["value"].get("labels")
        for each in result
        if each.get("type") == "labels" and isinstance(each.get("value"), Mapping)
    }


def _labels(
    region: Mapping[str, Any], control: Control, chosen: Mapping[tuple[str, str], object]
) -> Sequence[str]:
    """The labels of a region of *control*; none of any other region."""
    value = region.get("value")
    if not isinstance(value, Mapping):
        return ()
    if region.get("to_name", control.to_name) != control.to_name:
        return ()
    labels = (
        chosen.get((str(region.get("id")), control.labels_name))
        if control.labels_name
        else value.get(control.type)
    )
    return labels if isinstance(labels, list) else ()


def item_of(region: Mapping[str, Any]) -> int:
    """The number of a region's image in the list that its Image shows; the first unless it says another one.

    Raises:
        RegionError: it is no number.
    """
    item = region.get("item_index")
    if item is None:
        return 0
    if isinstance(item, bool) or not isinstance(item, int) or item < 0:
        raise RegionError(
            f"expected region {region.get('id')!r} to have the number of its image, got {item!r:.40}"
        )
    return item


def region_size(region: Mapping[str, Any]) -> tuple[int, int]:
    """The size of the image that a region is drawn on, (height, width) in pixels.

    Raises:
        RegionError: the image is turned, or the region has no size.
    """
    name = f"region {region.get('id')!r}"
    if region.get("image_rotation"):
        raise RegionError(
            f"{name} is painted on an image turned by {region['image_rotation']} degrees; "
            "turn the image back to 0 in Label Studio and paint it again"
        )
    height, width = region.get("original_height"), region.get("original_width")
    if not isinstance(height, int) or not isinstance(width, int):
        raise RegionError(f"expected {name} to have the size of its image, got {width!r} x {height!r}")
    if min(height, width) < 1 or height * width > _MOST_PIXELS:
        raise RegionError(f"expected {name} on 1 to {_MOST_PIXELS} pixels, got {width} x {height}")
    return height, width


def _mask(region: Mapping[str, Any], control: Control) -> NDArray[np.bool_]:
    size_hw = region_size(region)
    try:
        return value_mask(control.geometry, region["value"], size_hw)
    except RegionError as exc:
        raise RegionError(f"region {region.get('id')!r}: {exc}") from exc


def _check(instance: ScoredMask, controls: Mapping[str, Control], size_hw: tuple[int, int]) -> None:
    if instance.mask.shape != size_hw:
        raise RegionError(f"expected masks of {size_hw} (height, width), got {instance.mask.shape}")
    if instance.label not in controls:
        raise RegionError(f"expected one of the labels {tuple(controls)}, got {instance.label!r}")


def _regions(
    instance: ScoredMask, control: Control, item: int | None, tolerance: float
) -> Iterator[dict[str, Any]]:
    """One region for each value; where the labels are another control's, two that share an id.

    Several are parts of one thing: their ids say so, and Label Studio's editor leaves them as they are.
    """
    height, width = instance.mask.shape
    thing = uuid4().hex[:16]
    values = mask_values(control.geometry, instance.mask, tolerance=tolerance)
    for number, value in enumerate(values, 1):
        shared = {
            "id": thing if len(values) == 1 else f"{thing}-{number}",
            "to_name": control.to_name,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "score": float(instance.score),
            "origin": "prediction",
        }
        if item is not None:
            shared["item_index"] = item
        own = {"type": control.type, "from_name": control.from_name}
        if not control.labels_name:
            yield {**shared, **own, "value": {**value, control.type: [instance.label]}}
            continue
        yield {**shared, **own, "value": value}
        labelled = {"type": "labels", "from_name": control.labels_name}
        yield {**shared, **labelled, "value": {**value, "labels": [instance.label]}}
