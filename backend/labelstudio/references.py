"""Which annotations are the one shot."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.errors import FetchRefusedError, RegionError, RleError
from backend.labelstudio.label_config import Control, all_labels
from backend.labelstudio.regions import MaskRegion, drawn_regions, is_merged, mask_regions, same_regions
from backend.labelstudio.task_data import image_address

_MOST_OLD_LABELS = 3
_LOOKED_ON = 200  # annotations without a new label, before labels from tasks' data are given up


@dataclass(frozen=True, eq=False)
class Annotation:
    """One annotation with its task, as Label Studio stores it.

    Attributes:
        parent_prediction: the prediction that it was made from.
        converted: nobody looked at it, see ``origin.merely_converted``.
    """

    id: int
    task_id: int
    task_data: Mapping[str, Any]
    result: tuple[Mapping[str, Any], ...]
    was_cancelled: bool = False
    ground_truth: bool = False
    parent_prediction: int | None = None
    converted: bool = False

    @property
    def is_made_by_a_person(self) -> bool:
        """Whether it is finished, and no prediction that a person has merely accepted."""
        return not self.was_cancelled and self.parent_prediction is None

    @property
    def may_be_reference(self) -> bool:
        """Whether a person made it, or has given a prediction that was submitted a ground-truth star."""
        return self.is_made_by_a_person or (self.is_review and self.ground_truth)

    @property
    def is_review(self) -> bool:
        """Whether a person has submitted a prediction, as it was or corrected: it is complete then."""
        return not (self.was_cancelled or self.converted) and self.parent_prediction is not None


class Annotations(Protocol):
    """The annotations of one project, downloaded as far as they are iterated."""

    def ground_truths(self) -> int:
        """How many have a ground-truth star."""

    def in_order(self) -> Iterable[Annotation]:
        """All of them, in the order of their creation."""


@dataclass(frozen=True, eq=False)
class PickedReference:
    """The annotation that teaches one label.

    Attributes:
        label: the label.
        task_id: of the annotation.
        annotation_id: its id.
        image_uri: the address of the image that was drawn on.
        size_hw: of that image.
        region_ids: one per instance.
        masks: (H, W) bool, one per instance.
        control: that the first of them was drawn with.
        surrounding: for each mask, whether it was drawn around the thing, as boxes are; none for no mask.
        item: the number of the image in the list that its Image shows; None: the only one.
    """

    label: str
    task_id: int
    annotation_id: int
    image_uri: str
    size_hw: tuple[int, int]
    region_ids: tuple[str, ...]
    masks: tuple[NDArray[np.bool_], ...]
    control: Control
    surrounding: tuple[bool, ...] = ()
    item: int | None = None

    @property
    def image_key(self) -> str:
        """The key of the image's address in the task's data."""
        return self.control.key_of(self.item)


@dataclass(frozen=True, eq=False)
class PickedReferences:
    """What was picked, by label in the config's order, and why other annotations were not.

    Attributes:
        by_label: the references; empty when there is none.
        refusals: one sentence for each annotation that a person made and that could not serve, or could not
            for one of its labels.
        reason: why there is no reference, for a person to read; empty when there is one.
        more: further references, from annotations with a star.
    """

    by_label: Mapping[str, PickedReference]
    refusals: tuple[str, ...] = ()
    reason: str = ""
    more: tuple[PickedReference, ...] = ()

    @property
    def everything(self) -> tuple[PickedReference, ...]:
        """All references, those of ``by_label`` first."""
        return (*self.by_label.values(), *self.more)


def pick_references(
    annotations: Annotations,
    controls: Sequence[Control],
    *,
    passed_over: Container[int] = (),
    reviews: Iterable[Annotation] = (),
    most_starred: int = 1,
) -> PickedReferences:
    """For each label the first annotation that a person made; a ground-truth star wins.

    Cancelled annotations, accepted predictions without a star and empty masks do not count. A region with
    several labels teaches the first of them: predictions have one. Where tasks have several images, a label's
    reference is on one of them: the first that it was drawn on.

    Args:
        annotations: those of the project.
        controls: of its label config.
        passed_over: ids of annotations that turned out to be of no use.
        reviews: what people drew in these teaches the labels that have no reference else.
        most_starred: bound on the references of one label that have a star.
    """
    search = _Search(tuple(controls), annotations.ground_truths(), most_starred)
    for annotation in annotations.in_order():
        search.look_at(annotation, usable=annotation.may_be_reference and annotation.id not in passed_over)
        if search.is_over:
            break
    for review in reviews:
        search.complete_with(review, usable=review.id not in passed_over)
    in_order = [*all_labels(search.controls), *search.picked]
    picked = {label: search.picked[label] for label in in_order if label in search.picked}
    refusals = (*search.refusals.values(), *search.told_of_labels())
    reason = "" if picked else _reason(refusals, search.controls)
    return PickedReferences(picked, refusals, reason, tuple(search.more))


@dataclass(eq=False)
class _Search:
    """What was found in the annotations looked at so far, and how many stars are still to come."""

    controls: tuple[Control, ...]
    stars_left: int
    most_starred: int = 1
    without_news: int = 0
    picked: dict[str, PickedReference] = field(default_factory=dict)
    starred: Counter[str] = field(default_factory=Counter)
    more: list[PickedReference] = field(default_factory=list)
    refusals: dict[int, str] = field(default_factory=dict)
    second_labels: dict[str, str] = field(default_factory=dict)  # the first example of each
    old_labels: dict[str, str] = field(default_factory=dict)  # the same

    @property
    def is_over(self) -> bool:
        """Whether no annotation to come can change anything."""
        if any(control.labels_key for control in self.controls):
            return self.without_news > _LOOKED_ON and self.stars_left <= 0
        return all(self._is_settled(label, self.stars_left > 0) for label in all_labels(self.controls))

    def _is_settled(self, label: str, by_star: bool) -> bool:  # noqa: FBT001 - of this class only
        """Whether an annotation, with a star or without one, cannot become a reference of the label."""
        return self.starred[label] >= self.most_starred if by_star else label in self.picked

    def look_at(self, annotation: Annotation, *, usable: bool) -> None:
        self.stars_left -= annotation.ground_truth
        self.without_news += 1
        if usable:
            self._note_labels(annotation)
        for label in all_labels(self.controls, annotation.task_data) if usable else ():
            if self._is_settled(label, annotation.ground_truth):
                continue
            reference = self._reference(annotation, label, whole=annotation.is_review)
            if reference is not None:
                self._take(reference, starred=annotation.ground_truth)

    def _take(self, reference: PickedReference, *, starred: bool) -> None:
        self.without_news = 0
        if self.starred[reference.label]:
            self.more.append(reference)
        else:
            self.picked[reference.label] = reference
        self.starred[reference.label] += starred

    def complete_with(self, review: Annotation, *, usable: bool) -> None:
        """Let a review teach the labels that nothing else teaches."""
        if usable:
            self._note_labels(review)
        for label in all_labels(self.controls, review.task_data) if usable else ():
            reference = None if label in self.picked else self._reference(review, label, whole=False)
            if reference is not None:
                self.picked[label] = reference

    def told_of_labels(self) -> Iterable[str]:
        """Why labels have no reference that somebody painted: they were second ones, or had another name."""
        lacking = [label for label in all_labels(self.controls) if label not in self.picked]
        yield from (told for label, told in self.second_labels.items() if label not in self.picked)
        if self.old_labels and (lacking or not self.picked):
            yield (
                f"{', '.join(self.old_labels.values())}, which the label config no longer has (an alias "
                "counts as the name): paint one object with a label of the config, or give the label its "
                "old name back, as an alias"
            )

    def _note_labels(self, annotation: Annotation) -> None:
        where = f"annotation {annotation.id} of task {annotation.task_id}"
        known = all_labels(self.controls, annotation.task_data)
        for thing in same_regions(drawn_regions(annotation.result, self.controls)):
            labels = [label for label in known if any(label in each.labels for each in thing)]
            for label in labels[1:]:
                has = f"a region has the labels {' and '.join(map(repr, labels))}"
                told = f"for {label!r}: {has}; a prediction has one label, so it teaches {labels[0]!r} alone"
                self.second_labels.setdefault(label, f"{where} {told}")
            old = "" if labels else thing[0].labels[0]
            if old and len(self.old_labels) < _MOST_OLD_LABELS:
                self.old_labels.setdefault(old, f"{where} has the label {old!r}")

    def _reference(self, annotation: Annotation, label: str, *, whole: bool) -> PickedReference | None:
        """Give what the annotation shows of the label, on the first image on which that can serve.

        *whole*: with what was left as it was predicted.
        """
        known = all_labels(self.controls, annotation.task_data)
        for drawn in _by_image(annotation.result):
            try:
                if regions := mask_regions(
                    drawn, self.controls, labels=[label], known=known, predicted=whole
                ):
                    return _picked(annotation, label, regions)
            except (RegionError, RleError, FetchRefusedError) as exc:
                told = f"annotation {annotation.id} of task {annotation.task_id}: {exc}"
                self.refusals[annotation.id] = told
        return None


def _by_image(result: Sequence[Mapping[str, Any]]) -> Iterable[list[Mapping[str, Any]]]:
    """The regions of each image that was drawn on, in the order of the first of each."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for region in result:
        place = str(region.get("to_name")), str(region.get("item_index") or 0)
        found.setdefault(place, []).append(region)
    return found.values()


def _picked(annotation: Annotation, label: str, regions: Sequence[MaskRegion]) -> PickedReference:
    control, item = regions[0].control, regions[0].item
    ids = {region.region_id for region in regions}
    if any(is_merged(each) for each in annotation.result if str(each.get("id", "")) in ids):
        raise RegionError("expected one region for each thing, got one that holds many")
    sizes = {(region.mask.shape[0], region.mask.shape[1]) for region in regions}
    if len(sizes) > 1:
        raise RegionError(f"expected masks of one size, got (height, width) {sorted(sizes)}")
    return PickedReference(
        label=label,
        task_id=annotation.task_id,
        annotation_id=annotation.id,
        image_uri=image_address(annotation.task_data, control.key_of(item)),
        size_hw=sizes.pop(),
        region_ids=tuple(region.region_id for region in regions),
        masks=tuple(region.mask for region in regions),
        control=control,
        surrounding=tuple(region.control.surrounds for region in regions),
        item=item,
    )


def _reason(refusals: tuple[str, ...], controls: Sequence[Control]) -> str:
    if refusals:
        return "; ".join(refusals[:3])
    names = [
        f"the {control.geometry} {control.from_name!r}"
        + (f" ({', '.join(control.labels)})" if control.labels else "")
        for control in controls
    ]
    return (
        "no annotation with a mask painted by a person yet: paint one object with "
        f"{' or '.join(dict.fromkeys(names))} and submit it"
    )
