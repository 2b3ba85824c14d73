"""Which annotations are the one shot."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
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
    created_at: datetime
    result: tuple[Mapping[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    parent_prediction: int | None = None


class Annotations(Protocol):
    """The annotations of one project, downloaded as far as they are iterated."""

    def starred(self) -> Iterable[Annotation]:
        """Those with a ground-truth star, in the order of their creation."""

    def with_label(self, label: str) -> Iterable[Annotation]:
        """Those that may have a region of *label*, in the order of their creation."""


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
    search = _Search(control)
    for label in control.labels:
        candidates = chain(annotations.starred(), annotations.with_label(label))
        search.pick(label, (each for each in candidates if each.id not in passed_over))
    refusals = tuple(search.refusals.values())
    return PickedReferences(search.picked, refusals, "" if search.picked else _reason(refusals, control))


@dataclass(eq=False)
class _Search:
    control: BrushControl
    picked: dict[str, PickedReference] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)

    def pick(self, label: str, candidates: Iterator[Annotation]) -> None:
        for annotation in candidates:
            if _is_made_by_a_person(annotation):
                reference = self._reference(annotation, label)
                if reference is not None:
                    self.picked[label] = reference
                    return

    def _reference(self, annotation: Annotation, label: str) -> PickedReference | None:
        try:
            regions = brush_regions(annotation.result, self.control, label=label)
            return _picked(annotation, label, regions, self.control) if regions else None
        except (RegionError, RleError) as exc:
            self.refusals[annotation.id] = f"annotation {annotation.id} of task {annotation.task_id}: {exc}"
            return None


def _is_made_by_a_person(annotation: Annotation) -> bool:
    """Whether it is finished, and no prediction that a person has merely accepted."""
    return not annotation.was_cancelled and annotation.parent_prediction is None


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
