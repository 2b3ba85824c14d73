"""Which control each label's predictions go through, and what happens to too many regions."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.label_config import Control, Place
from backend.labelstudio.references import PickedReference
from backend.labelstudio.regions import ONE_MASK, ScoredMask

_PAINTED = ("brush", "bitmask")  # each region is an image of its own in the editor; many of them freeze it


@dataclass(frozen=True)
class OutputOptions:
    """The settings that change regions.

    Attributes:
        control: the control that predictions go through, by its name or tag; empty: the reference's.
        tolerance: how far polygons may be from a mask's edge, in pixels.
        max_regions: bound on brush and bitmask regions of a task.
        beyond: what becomes of more: polygons, where the label config has them for the label, else one merged
            mask for each label.
    """

    control: str = ""
    tolerance: float = 1.0
    max_regions: int = 100
    beyond: Literal["polygons", "merged"] = "polygons"


@dataclass(frozen=True)
class RegionPlan:
    """How one task's instances become regions.

    Attributes:
        controls: the control of each label.
        merged: labels whose instances become one mask.
        limit: what was done because there are too many, as a sentence; empty: nothing.
    """

    controls: Mapping[str, Control]
    merged: frozenset[str] = field(default_factory=frozenset)
    limit: str = ""

    def instances(self, found: Iterable[ScoredMask]) -> Iterator[ScoredMask]:
        """Those of *found* one by one, then one for each merged label, with the mean score."""
        masks: dict[str, NDArray[np.bool_]] = {}
        scores: dict[str, list[float]] = defaultdict(list)
        for each in found:
            if each.label not in self.merged:
                yield each
                continue
            masks[each.label] = masks[each.label] | each.mask if each.label in masks else each.mask
            scores[each.label].append(each.score)
        for label, mask in masks.items():
            yield ScoredMask(label, mask, min(1.0, sum(scores[label]) / len(scores[label])))


@dataclass(frozen=True)
class SearchedImage:
    """One of the images of each task that is searched, or a list of them.

    Attributes:
        to_name: the Image's name.
        key: of its address in a task's data; of a list the key of that.
        controls: the control of each label's predictions; no other label is looked for.
        item: the number of the image in a list; None: it is the only one, or all of the list are meant.
        further: the controls of a label, in order, that stand in where a task does not offer it otherwise.
    """

    to_name: str
    key: str
    controls: Mapping[str, Control]
    item: int | None = None
    further: Mapping[str, tuple[Control, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        """What a person is told: counted from 1, as the editor does."""
        return repr(self.to_name) if self.item is None else f"image {self.item + 1} of {self.to_name!r}"

    @property
    def place(self) -> Place:
        """The image, as regions tell theirs."""
        return self.to_name, self.item

    def of(self, task_data: Mapping[str, Any]) -> tuple["SearchedImage", ...]:
        """The images of one task that are meant, each with the controls that the task's labels need."""
        control = next(iter(self.controls.values()))
        controls = {
            label: _offering(label, self.possible(label), task_data) or first
            for label, first in self.controls.items()
        }
        return tuple(
            replace(self, key=control.key_of(item), controls=controls, item=item)
            for item in control.items_of(task_data)
        )

    def possible(self, label: str) -> tuple[Control, ...]:
        """The controls that predictions of a label may go through, the first that offers it for the task."""
        return (self.controls[label], *self.further.get(label, ()))


def searched_images(
    picked: Iterable[PickedReference], controls: Sequence[Control], wanted: str
) -> tuple[SearchedImage, ...]:
    """The images of each task on which a control offers a label that has a reference, in the config's order.

    Predictions go through the wanted control if it offers the label on that image; else through the
    reference's, or on another image through one that draws as it does, or the first that offers the label.
    Where a control's labels come from a task's data, those that follow it stand in for the other tasks.

    Args:
        picked: the references; of several of one label the first.
        controls: of the label config.
        wanted: name of a control, or a tag such as ``PolygonLabels``; empty: none.
    """
    by_label: dict[str, PickedReference] = {}
    for each in picked:
        by_label.setdefault(each.label, each)
    drawn_with = [*controls, *(each.control for each in by_label.values())]
    found = []
    for to_name, key in {each.to_name: each.image_key for each in drawn_with}.items():
        on_it = [each for each in controls if each.to_name == to_name]
        outputs = {label: _outputs(one, to_name, on_it, wanted) for label, one in by_label.items()}
        controls_of = {label: possible[0] for label, possible in outputs.items() if possible}
        further = {label: tuple(possible[1:]) for label, possible in outputs.items() if len(possible) > 1}
        if controls_of:
            found.append(SearchedImage(to_name, key, controls_of, further=further))
    return tuple(found)


def region_plan(
    counts: Mapping[str, int],
    outputs: Mapping[str, Control],
    controls: Sequence[Control],
    options: OutputOptions,
    *,
    task_data: Mapping[str, Any] | None = None,
    elsewhere: int = 0,
) -> RegionPlan:
    """How the instances on one of a task's images become regions without freezing the editor.

    Args:
        counts: instances by label.
        outputs: the control of each label (``SearchedImage.controls``).
        controls: of the label config.
        options: the bound, and what to do beyond it.
        task_data: the task's; None: no label comes from there.
        elsewhere: brush and bitmask regions on the other images of the task.
    """
    painted = painted_regions(counts, outputs)
    total = sum(painted.values()) + elsewhere
    if total <= options.max_regions or not painted:
        return RegionPlan(outputs)
    polygons = {}
    if options.beyond == "polygons":
        found = {label: possible_polygons(label, outputs[label].to_name, controls) for label in painted}
        offering = {label: _offering(label, each, task_data or {}) for label, each in found.items()}
        polygons = {label: control for label, control in offering.items() if control is not None}
    merged = frozenset(painted) - frozenset(polygons)
    done = [f"polygons of {_names(polygons)}"] if polygons else []
    each = "things for each of " if len(merged) > 1 else ""
    done += [f"{ONE_MASK} {each}{_names(merged)}"] if merged else []
    limit = (
        f"{total} painted regions are more than ONESHOT_MAX_REGIONS allows ({options.max_regions}), "
        f"they became {' and '.join(done)}"
    )
    return RegionPlan({**outputs, **polygons}, merged, limit)


def painted_regions(counts: Mapping[str, int], outputs: Mapping[str, Control]) -> dict[str, int]:
    """The instances by label that are drawn with brush or bitmask, if nothing bounds them."""
    return {label: count for label, count in counts.items() if is_painted(outputs[label])}


def is_painted(control: Control) -> bool:
    """Whether its regions count against the bound."""
    return control.geometry in _PAINTED


def possible_polygons(label: str, to_name: str, controls: Iterable[Control]) -> list[Control]:
    """The controls that may draw a label's painted regions as polygons, the first that the task offers it in.

    Args:
        label: of the regions.
        to_name: the Image that they are on.
        controls: of the label config.
    """
    on_it = [each for each in controls if (each.geometry, each.to_name) == ("polygon", to_name)]
    return _up_to_certain(label, (each for each in on_it if label in each.labels or each.labels_key))


def _outputs(
    reference: PickedReference, to_name: str, on_it: Sequence[Control], wanted: str
) -> list[Control]:
    """The controls of the reference's label on one image, in order; none after one with it in every task."""
    taking = [each for each in on_it if reference.label in each.labels or each.labels_key]
    named = [each for each in taking if each.is_named(wanted)]
    own = [reference.control] if reference.control.to_name == to_name else []
    alike = [each for each in taking if each.geometry == reference.control.geometry]
    return _up_to_certain(reference.label, dict.fromkeys([*named, *own, *alike, *taking]))


def _up_to_certain(label: str, controls: Iterable[Control]) -> list[Control]:
    """The first controls, up to one that offers the label whatever a task's data say."""
    found = []
    for control in controls:
        found.append(control)
        if label in control.labels:
            break
    return found


def _offering(label: str, controls: Iterable[Control], task_data: Mapping[str, Any]) -> Control | None:
    """The first control that offers the label for a task."""
    return next((each for each in controls if label in each.labels_of(task_data)), None)


def _names(labels: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(labels)))
