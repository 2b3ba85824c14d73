"""Images with true instance masks, from a folder or built in.

A data set is a folder with ``images/NAME.jpg``, ``instances/NAME.png`` (the value of a pixel is its instance
id, 0 is background; palette images by index) and ``meta.json`` (``images.NAME.instances`` maps id to class,
``images.NAME.group`` is optional). The name ``coins`` stands for scikit-image's ``coins()``.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from backend.evaluation.coins import coin_ids, coins_image
from backend.evaluation.errors import DatasetError
from backend.evaluation.image_files import read_image

COINS = "coins"
NO_GROUP = "-"


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image of a data set; its pixels and masks are read when they are asked for.

    Attributes:
        name: unique in the data set; orders its images.
        group: images of one group belong together, references are taken from the same group.
        classes: the class of each instance id.
        pixels: reads the image, (H, W, 3) uint8 RGB.
        ids: reads the instance id of each pixel, (H, W) int32, 0 for background.
    """

    name: str
    group: str
    classes: Mapping[int, str]
    pixels: Callable[[], NDArray[np.uint8]]
    ids: Callable[[], NDArray[np.int32]]

    def holds(self, label: str) -> bool:
        """Whether any instance is of the class *label*."""
        return label in self.classes.values()

    def masks(self, label: str) -> dict[int, NDArray[np.bool_]]:
        """The true masks of one class by instance id, each (H, W) bool."""
        ids = self.ids()
        return {number: ids == number for number, cls in sorted(self.classes.items()) if cls == label}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in the order of their names.

    Attributes:
        tests_reference_image: the reference image is a test image, too: all its instances are to be found.
    """

    name: str
    images: tuple[LabelledImage, ...]
    tests_reference_image: bool = False


def open_dataset(name: str) -> Dataset:
    """The built-in data set of that name, or the one in that folder.

    Raises:
        DatasetError: there is none, or it is not laid out as it must be.
    """
    return coins_dataset() if name == COINS else load_dataset(Path(name))


def coins_dataset() -> Dataset:
    """``coins()`` whole: one image, one coin as reference, 24 coins to be found."""
    classes = dict.fromkeys(range(1, int(coin_ids().max()) + 1), "coin")
    image = LabelledImage(COINS, NO_GROUP, classes, coins_image, coin_ids)
    return Dataset(COINS, (image,), tests_reference_image=True)


def load_dataset(folder: Path) -> Dataset:
    """Read ``meta.json`` and check that every image and every mask it names is there and fits.

    Raises:
        DatasetError: something is missing or contradicts itself; the message names the file.
    """
    entries = _entries(folder)
    images = tuple(_labelled_image(folder, name, entry) for name, entry in sorted(entries.items()))
    return Dataset(folder.resolve().name, images)


def _entries(folder: Path) -> dict[str, Any]:
    """What ``meta.json`` says about each image."""
    meta_file = folder / "meta.json"
    try:
        meta = json.loads(meta_file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DatasetError(
            f"{meta_file}: cannot be read ({exc.strerror}); a data set is `{COINS}`, or a folder with "
            "images/NAME.jpg, instances/NAME.png and meta.json"
        ) from exc
    except ValueError as exc:
        raise DatasetError(f"{meta_file}: not JSON: {exc}") from exc
    entries = meta.get("images") if isinstance(meta, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise DatasetError(f"{meta_file}: expected an object `images` with an entry per image")
    return entries


def _labelled_image(folder: Path, name: str, entry: Any) -> LabelledImage:  # noqa: ANN401 - unchecked JSON
    """One checked entry of ``meta.json``."""
    where = f"{folder / 'meta.json'}: images.{name}"
    classes = _classes(entry, where)
    group = entry.get("group", NO_GROUP)
    if not isinstance(group, str):
        raise DatasetError(f"{where}.group: expected a string, got {group!r}")
    image_file, ids_file = _image_file(folder, name), folder / "instances" / f"{name}.png"
    _check_files(image_file, ids_file, classes)
    return LabelledImage(name, group, classes, lambda: read_image(image_file), lambda: read_ids(ids_file))


def _classes(entry: Any, where: str) -> dict[int, str]:  # noqa: ANN401 - unchecked JSON
    """The class of each instance id."""
    instances = entry.get("instances") if isinstance(entry, dict) else None
    if not isinstance(instances, dict):
        raise DatasetError(f"{where}: expected an object `instances` that maps instance ids to classes")
    for number, label in instances.items():
        if not number.isdecimal() or int(number) == 0 or not isinstance(label, str) or not label:
            raise DatasetError(
                f"{where}.instances: expected an id above 0 and a class, got {number!r}: {label!r}"
            )
    return {int(number): label for number, label in instances.items()}


def _image_file(folder: Path, name: str) -> Path:
    """The one file of that name in ``images``, of whatever type."""
    found = sorted(path for path in (folder / "images").glob("*") if path.stem == name)
    if len(found) != 1:
        raise DatasetError(f"{folder / 'images' / name}.*: expected one image file, found {len(found)}")
    return found[0]


def _check_files(image_file: Path, ids_file: Path, classes: Mapping[int, str]) -> None:
    """Raise unless the mask is as large as the image and holds the ids that the meta file names."""
    ids = read_ids(ids_file)
    size_hw = _size_hw(image_file)
    if ids.shape != size_hw:
        raise DatasetError(
            f"{ids_file}: expected the size of {image_file.name}, {size_hw}, got {ids.shape} (H, W)"
        )
    present = set(np.unique(ids).tolist()) - {0}
    if present != set(classes):
        raise DatasetError(
            f"{ids_file}: expected the instance ids that meta.json names; only in one of both: "
            f"{sorted(present ^ set(classes))}"
        )


def _size_hw(image_file: Path) -> tuple[int, int]:
    """Size of an image after its EXIF rotation, read from its header."""
    try:
        with Image.open(image_file) as image:
            turned = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as exc:
        raise DatasetError(f"{image_file}: cannot be read as an image: {exc}") from exc
    return (width, height) if turned else (height, width)


def read_ids(path: Path) -> NDArray[np.int32]:
    """The instance id of each pixel, (H, W) int32.

    Raises:
        DatasetError: the file is missing, broken, or has no single value per pixel.
    """
    try:
        with Image.open(path) as image:
            values = np.asarray(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise DatasetError(f"{path}: cannot be read as an image of instance ids: {exc}") from exc
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise DatasetError(
            f"{path}: expected one whole number per pixel (palette, grey or 16-bit), "
            f"got {values.shape} {values.dtype}"
        )
    return values.astype(np.int32)
