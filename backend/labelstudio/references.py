"""Which annotations are the one shot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.label_config import BrushControl


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
        refusals: one sentence for each annotation that could not serve.
        reason: why there is no reference, for a person to read; empty when there is one.
    """

    by_label: Mapping[str, PickedReference]
    refusals: tuple[str, ...] = ()
    reason: str = ""


def pick_references(annotations: Iterable[Annotation], control: BrushControl) -> PickedReferences:
    """For each label the first annotation that a person made; a ground-truth star wins."""
    raise NotImplementedError
