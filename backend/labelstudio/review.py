"""What a person changed in a prediction before submitting it: region by region."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.assignment import best_pairs
from backend.labelstudio.label_config import Control, Place
from backend.labelstudio.mask_cut import MaskCut, cut, cut_iou
from backend.labelstudio.regions import DrawnRegion, drawn_regions

KEPT_IOU = 0.95  # from here on nobody would have bothered
MATCH_IOU = 0.5  # from here on a mask drawn anew stands for the one that was deleted

Outcome = Literal["kept", "redrawn", "deleted", "added"]


@dataclass(frozen=True, eq=False)
class Review:
    """A submitted annotation, and the prediction that it was made from.

    Attributes:
        task_id: the task's.
        task_data: its raw addresses.
        annotation_id: the annotation's.
        prediction_id: the prediction's.
        model_version: of the prediction.
        predicted: the prediction's ``result``.
        submitted: the annotation's ``result``.
        ground_truth: whether the annotation has a star.
    """

    task_id: int
    task_data: Mapping[str, Any]
    annotation_id: int
    prediction_id: int
    model_version: str
    predicted: tuple[Mapping[str, Any], ...]
    submitted: tuple[Mapping[str, Any], ...]
    ground_truth: bool = False


@dataclass(frozen=True)
class RegionReview:
    """What became of one region, for one of its labels.

    Attributes:
        label: the label.
        outcome: kept (nothing changed, or an IoU of at least 0.95), redrawn, deleted, or added.
        region_id: in the annotation; of a deleted region in the prediction.
        iou: of what was predicted with what was submitted; None where there is only one of them.
    """

    label: str
    outcome: Outcome
    region_id: str
    iou: float | None = None


def compare(review: Review, controls: Sequence[Control]) -> list[RegionReview]:
    """Find out what a person kept, redrew, deleted and added.

    A region that kept its id is the same thing, whatever became of its outline. What is left is paired for
    the largest sum of IoU; a pair below 0.5 is one thing deleted and another one added. So is a region whose
    label was changed. Regions that were predicted as parts of one thing count as one, with the id of the
    first. Where tasks have several images, regions are compared image by image.

    Args:
        review: the annotation beside its prediction.
        controls: of the label config.

    Raises:
        RegionError: a region is on a turned image, has no size, or a value that does not fit its control.
        RleError: a region cannot be decoded.
    """
    predicted = _by_place(drawn_regions(review.predicted, controls, predicted=True))
    submitted = _by_place(drawn_regions(review.submitted, controls, predicted=True))
    return [
        outcome
        for place in dict.fromkeys([*predicted, *submitted])
        for outcome in _compare(place[1], predicted.get(place, []), submitted.get(place, []))
    ]


@dataclass(eq=False)
class _Region:
    """A region on its way through the comparison."""

    drawn: DrawnRegion

    @cached_property
    def cut(self) -> MaskCut:
        """Its mask, decoded when it is needed first: most regions stay as they were predicted."""
        return cut(self.drawn.mask())

    def is_same(self, other: "_Region") -> bool:
        """Whether nothing was changed, size of the image included."""
        return self.shown == other.shown

    @property
    def shown(self) -> dict[str, list[Any]]:
        """What is drawn, by the id of each part: their order does not count."""
        names = ("value", "original_width", "original_height", "image_rotation")
        return {str(each.get("id")): [each.get(name) for name in names] for each in self.drawn.regions}


_Pair = tuple[_Region, _Region]  # predicted, submitted


def _by_place(regions: Iterable[DrawnRegion]) -> dict[tuple[Place, str], list[_Region]]:
    """The regions by their image and by label."""
    found: dict[tuple[Place, str], list[_Region]] = {}
    for drawn in regions:
        region = _Region(drawn)
        for label in drawn.labels:
            found.setdefault((drawn.place, label), []).append(region)
    return found


def _compare(label: str, predicted: list[_Region], submitted: list[_Region]) -> Iterator[RegionReview]:
    unchanged = [pair for pair in _same_ids(predicted, submitted) if pair[0].is_same(pair[1])]
    left, new = _others(predicted, unchanged), _others(submitted, unchanged)
    matched = _same_ids(left, new)
    matched += _alike(_others(left, matched), _others(new, matched))
    yield from (RegionReview(label, "kept", after.drawn.id, 1.0) for _, after in unchanged)
    for before, after in matched:
        iou = cut_iou(before.cut, after.cut)
        yield RegionReview(label, "kept" if iou >= KEPT_IOU else "redrawn", after.drawn.id, iou)
    yield from (RegionReview(label, "deleted", each.drawn.id) for each in _others(left, matched))
    yield from (RegionReview(label, "added", each.drawn.id) for each in _others(new, matched))


def _same_ids(predicted: list[_Region], submitted: list[_Region]) -> list[_Pair]:
    """The regions that kept their id; of several with one id the first."""
    before = {each.drawn.thing: each for each in reversed(predicted)}
    after = {each.drawn.thing: each for each in reversed(submitted)}
    return [(before[name], after[name]) for name in reversed(before) if name and name in after]


def _others(regions: list[_Region], pairs: Sequence[_Pair]) -> list[_Region]:
    """Those of *regions* that are in none of *pairs* and are not empty."""
    paired = {each for pair in pairs for each in pair}
    return [each for each in regions if each not in paired and each.cut.area]


def _alike(left: list[_Region], new: list[_Region]) -> list[_Pair]:
    """Deleted and new regions that show the same thing."""
    ious = _ious([each.cut for each in left], [each.cut for each in new])
    return [(left[row], new[column]) for row, column in best_pairs(ious) if ious[row, column] >= MATCH_IOU]


def _ious(rows: Sequence[MaskCut], columns: Sequence[MaskCut]) -> NDArray[np.float64]:
    values = [[cut_iou(row, column) for column in columns] for row in rows]
    return np.array(values, np.float64).reshape(len(rows), len(columns))
