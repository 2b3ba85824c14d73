"""Which annotations are the one shot."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.errors import RegionError, RleError
from backend.labelstudio.label_config import BrushControl
from backend.labelstudio.regions import BrushRegion, brush_regions


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation with its task, as Label Studio stores it."""

    id: int
    task_id: int
    task_data: Mapping[str, Any]
    result: tuple[Mapping[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    parent_prediction: int | None = None

    @property
    def is_made_by_a_person(self) -> bool:
        """Whether it is finished, and no prediction that a person has merely accepted."""
        return not self.was_cancelled and self.parent_prediction is None


class Annotations(Protocol):
    """The annotations of one project, downloaded as far as they are iterated."""

    def ground_truths(self) -> int:
        """How many have a ground-truth star."""

    def in_order(self) -> Iterable[Annotation]:
        """All of them, in the order of their creation."""


@dataclass(frozen=True, eq=False)
class PickedReference:
    """The annotation that teaches one label: a mask (H, W) bool per instance, all of one size."""

    label: str
    task_id: int
    annotation_id: int
    image_uri: str
    size_hw: tuple[int, int]
    region_ids: tuple[str, ...]
    masks: tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True, eq=False)
class PickedReferences:
    """What was picked, by label in the config's order, and why other annotations were not.

    Attributes:
        by_label: the references; empty when there is none.
        refusals: one sentence for each annotation that a person made and that could not serve.
        reason: why there is no reference, for a person to read; empty when there is one.
    """

    by_label: Mapping[str, PickedReference]
    refusals: tuple[str, ...] = ()
    reason: str = ""


def pick_references(
    annotations: Annotations, control: BrushControl, *, passed_over: Container[int] = ()
) -> PickedReferences:
    """For each label the first annotation that a person made; a ground-truth star wins.

    Cancelled annotations, accepted predictions and empty masks do not count.

    Args:
        annotations: those of the project.
        control: the brush control of its label config.
        passed_over: ids of annotations that turned out to be of no use.
    """
    search = _Search(control, stars_left=annotations.ground_truths())
    for annotation in annotations.in_order():
        search.look_at(annotation, usable=annotation.is_made_by_a_person and annotation.id not in passed_over)
        if search.is_over:
            break
    picked = {label: search.picked[label] for label in control.labels if label in search.picked}
    refusals = tuple(search.refusals.values())
    return PickedReferences(picked, refusals, "" if picked else _reason(refusals, control))


@dataclass(eq=False)
class _Search:
    """What was found in the annotations looked at so far, and how many stars are still to come."""

    control: BrushControl
    stars_left: int
    picked: dict[str, PickedReference] = field(default_factory=dict)
    starred: set[str] = field(default_factory=set)
    refusals: dict[int, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether no annotation to come can change anything."""
        found = self.picked if self.stars_left <= 0 else self.starred
        return len(found) == len(self.control.labels)

    def look_at(self, annotation: Annotation, *, usable: bool) -> None:
        self.stars_left -= annotation.ground_truth
        taken = self.starred if annotation.ground_truth else self.picked
        for label in self.control.labels if usable else ():
            reference = None if label in taken else self._reference(annotation, label)
            if reference is not None:
                self.picked[label] = reference
                if annotation.ground_truth:
                    self.starred.add(label)

    def _reference(self, annotation: Annotation, label: str) -> PickedReference | None:
        try:
            regions = brush_regions(annotation.result, self.control, label=label)
            return _picked(annotation, label, regions, self.control) if regions else None
        except (RegionError, RleError) as exc:
            self.refusals[annotation.id] = f"annotation {annotation.id} of task {annotation.task_id}: {exc}"
            return None


def _picked(
    annotation: Annotation, label: str, regions: list[BrushRegion], control: BrushControl
) -> PickedReference:
    sizes = {(region.mask.shape[0], region.mask.shape[1]) for region in regions}
    if len(sizes) > 1:
        raise RegionError(f"expected masks of one size, got (height, width) {sorted(sizes)}")
    image_uri = annotation.task_data.get(control.image_key)
    if not isinstance(image_uri, str) or not image_uri:
        raise RegionError(
            f"expected the image's address under {control.image_key!r} in the task's data, got {image_uri!r}"
        )
    return PickedReference(
        label=label,
        task_id=annotation.task_id,
        annotation_id=annotation.id,
        image_uri=image_uri,
        size_hw=sizes.pop(),
        region_ids=tuple(region.region_id for region in regions),
        masks=tuple(region.mask for region in regions),
    )


def _reason(refusals: tuple[str, ...], control: BrushControl) -> str:
    if refusals:
        return "; ".join(refusals[:3])
    return (
        f"no annotation with a mask painted by a person yet: paint one object with "
        f"the brush {control.from_name!r} ({', '.join(control.labels)}) and submit it"
    )
