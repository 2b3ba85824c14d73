"""Masks as COCO's compressed run lengths: small to keep, quick to compare."""

import warnings
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


class Rle(TypedDict):
    """COCO's compressed RLE."""

    size: list[int]
    counts: str


def encode(mask: NDArray[np.bool_]) -> Rle:
    """The mask, (H, W) bool, as JSON can hold it."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return Rle(size=[int(side) for side in rle["size"]], counts=rle["counts"].decode("ascii"))


def decode(rle: Rle) -> NDArray[np.bool_]:
    """The mask again, (H, W) bool."""
    with warnings.catch_warnings():  # pycocotools' array class lacks a keyword that NumPy 2 asks for
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.array(coco_mask.decode(rle), dtype=np.bool_)


def area(rle: Rle) -> int:
    """Pixels of the mask."""
    return int(coco_mask.area(rle))


def box_xywh(rle: Rle) -> list[float]:
    """Smallest box around the mask: left, top, width, height, in pixels."""
    return [float(value) for value in coco_mask.toBbox(rle)]


def iou_matrix(found: Sequence[Rle], true: Sequence[Rle]) -> NDArray[np.float64]:
    """IoU of each found with each true mask, (found, true) float in [0, 1]."""
    if not found or not true:
        return np.zeros((len(found), len(true)))
    return np.asarray(coco_mask.iou(list(found), list(true), [0] * len(true)), dtype=np.float64)
