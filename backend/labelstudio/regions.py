"""Brush regions: out of an annotation's result, into a prediction's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.label_config import BrushControl


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


def brush_regions(result: Sequence[Mapping[str, Any]], control: BrushControl) -> list[BrushRegion]:
    """The non-empty brush regions of *result* that *control* painted with its labels.

    Raises:
        RegionError: one of them is rotated or has no size.
        RleError: one of them cannot be decoded.
    """
    raise NotImplementedError


def prediction(
    task_id: int,
    model_version: str,
    control: BrushControl,
    size_hw: tuple[int, int],
    instances: Sequence[ScoredMask],
) -> dict[str, Any]:
    """One item of a bulk import: a region per instance; without instances an empty prediction.

    Raises:
        RegionError: a mask has another size than *size_hw*, or a label is not in the config.
    """
    raise NotImplementedError
