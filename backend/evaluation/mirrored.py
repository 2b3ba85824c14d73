"""A data set in the mirror: another draw of the same data, to see what in a figure is chance."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from numpy.typing import NDArray

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.vision.mirrored import turned
from backend.vision.views import Pixel

Mirror = Literal["left-right", "up-down", "both"]
AXES: dict[Mirror, tuple[int, ...]] = {"left-right": (1,), "up-down": (0,), "both": (0, 1)}


def mirrored(dataset: Dataset, mirror: Mirror) -> Dataset:
    """The same images and masks, mirrored; the references are those of the same instances."""
    return replace(dataset, images=tuple(_mirrored(image, AXES[mirror]) for image in dataset.images))


def _mirrored(image: LabelledImage, axes: tuple[int, ...]) -> LabelledImage:
    return replace(
        image, pixels=partial(_flipped, image.pixels, axes), ids=partial(_flipped, image.ids, axes)
    )


def _flipped(read: Callable[[], NDArray[Pixel]], axes: tuple[int, ...]) -> NDArray[Pixel]:
    return turned(read(), axes)
