"""Segment image files from annotated reference files: the whole vision core without any server."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.atomic import write_atomically
from backend.evaluation.errors import EvaluationError
from backend.evaluation.image_files import read_reduced
from backend.evaluation.mask_files import read_masks
from backend.evaluation.overlays import Colour, Mark, draw_marks, instance_colour
from backend.evaluation.page import REFERENCE_COLOUR, Shot, page, png_bytes
from backend.evaluation.predictions import Found, Predicted, coco_json
from backend.evaluation.rle import encode
from backend.labelstudio.images import DecodedImage, ImageLimits
from backend.vision.errors import VisionError
from backend.vision.instance import Instance
from backend.vision.pipeline import Models, SearchOptions, find_instances
from backend.vision.reduction import Reduction
from backend.vision.reference import Reference, build_reference


@dataclass(frozen=True)
class ReferenceFile:
    """One reference as it is handed in: an image, a mask for it, and what the object is called."""

    image: Path
    mask: Path
    label: str


@dataclass(frozen=True)
class Failed:
    """An image that could not be segmented, and why."""

    file_name: str
    reason: str


def read_shots(files: Sequence[ReferenceFile], *, limits: ImageLimits) -> list[Shot]:
    """Read references as they are decoded; masks of the same image and label are one shot.

    Raises:
        ImageFileError: an image cannot be read.
        MaskFileError: a mask cannot be read, is empty, or does not fit its image.
    """
    masks: dict[tuple[Path, str], list[NDArray[np.bool_]]] = {}
    images: dict[Path, DecodedImage] = {}
    for file in files:
        if file.image not in images:
            images[file.image] = read_reduced(file.image, limits=limits)
        image = images[file.image]
        reduction = Reduction.of(image.pixels.shape[:2], image.size_hw)
        found = map(reduction.mask, read_masks(file.mask, size_hw=image.size_hw))
        masks.setdefault((file.image, file.label), []).extend(found)
    colours = label_colours([file.label for file in files])
    return [
        Shot(images[path].pixels, tuple(found), label, colours[label])
        for (path, label), found in masks.items()
    ]


def label_colours(labels: Sequence[str]) -> dict[str, Colour]:
    """A colour per label, in the order of their first mention; one label alone has the reference's colour."""
    names = list(dict.fromkeys(labels))
    if len(names) == 1:
        return {names[0]: REFERENCE_COLOUR}
    return {name: instance_colour(number) for number, name in enumerate(names)}


def references_of(models: Models, shots: Sequence[Shot], options: SearchOptions) -> list[Reference]:
    """What the search needs of each shot."""
    return [
        build_reference(
            *(models.sam, models.semantic, shot.image, shot.masks),
            label=shot.label,
            max_tiles=options.max_tiles,
            fine_tuned=options.fine_tuned,
        )
        for shot in shots
    ]


def segment_files(
    models: Models,
    shots: Sequence[Shot],
    images: Sequence[Path],
    out: Path,
    *,
    options: SearchOptions,
    limits: ImageLimits,
) -> Iterator[Predicted | Failed]:
    """Segment images one by one; write an overlay each and, at the end, ``predictions.json``.

    A bad image fails alone: the others go on.

    Raises:
        OutputFileError: *out* cannot be written to.
    """
    references = references_of(models, shots, options)
    names = overlay_names(images)
    done: list[Predicted] = []
    for path, name in zip(images, names, strict=True):
        try:
            image = read_reduced(path, limits=limits)
            instances = find_instances(
                models, references, image.pixels, options=options, size_hw=image.size_hw
            ).instances
        except (EvaluationError, VisionError) as exc:
            yield Failed(str(path), str(exc).removeprefix(f"{path}: "))
            continue
        predicted = _predicted(path, f"overlays/{name}", image.size_hw, instances)
        write_atomically(out / predicted.overlay, _overlay(predicted, image.pixels, instances, shots))
        done.append(predicted)
        yield predicted
    labels = list(dict.fromkeys(shot.label for shot in shots))
    write_atomically(out / "predictions.json", coco_json(done, labels))


def overlay_names(images: Sequence[Path]) -> list[str]:
    """A file name per image, ``STEM.png``; where stems collide, also by case alone, a number is added."""
    taken: set[str] = set()
    names = []
    for image in images:
        name, number = image.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{image.stem}-{number}"
        taken.add(name.casefold())
        names.append(f"{name}.png")
    return names


def summary(predicted: Predicted) -> str:
    """What was found on one image, in a few words."""
    counts = Counter(found.label for found in predicted.found)
    if not counts:
        return "no instance found"
    return ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))


def _predicted(
    path: Path, overlay: str, size_hw: tuple[int, int], instances: Sequence[Instance]
) -> Predicted:
    """One image as ``predictions.json`` has it."""
    found = [Found(i.label, encode(i.mask), i.confidence, i.similarity) for i in instances]
    return Predicted(str(path), overlay, size_hw, found)


def _overlay(
    predicted: Predicted, image: NDArray[np.uint8], instances: Sequence[Instance], shots: Sequence[Shot]
) -> bytes:
    """A page with the instances on the image and the references beside it, as PNG."""
    colours = {shot.label: shot.colour for shot in shots}
    marks = [
        Mark(
            instance.mask,
            colours[instance.label] if len(colours) > 1 else instance_colour(number),
            _tags(number, instance, name=len(colours) > 1),
        )
        for number, instance in enumerate(instances, start=1)
    ]
    title = Path(predicted.file_name).name
    return png_bytes(page(draw_marks(image, marks), shots, title=title, subtitle=summary(predicted)))


def _tags(number: int, instance: Instance, *, name: bool) -> tuple[str, ...]:
    """Number, label where there are several, and confidence, or as much of it as fits."""
    short = f"{number} · {instance.confidence:.2f}"
    named = (f"{number} {instance.label} · {instance.confidence:.2f}",) if name else ()
    return *named, short, str(number)
