"""From the annotations of a project to references that can be used, or to the reason why there are none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.client import Project
from backend.labelstudio.errors import FetchRefusedError, ImageRefusedError
from backend.labelstudio.images import decode_image
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.references import PickedReference, PickedReferences, pick_references
from backend.vision.errors import VisionError
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding
from backend.worker.context import WorkerContext
from backend.worker.generation import Generation, generation_version
from backend.worker.thumbnails import reference_picture

_MOST_UNUSABLE = 20  # annotations on broken images that are passed over before a person has to look
_MOST_TOLD = 3


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the annotations of a project teach.

    Attributes:
        generation: the references; None when no annotation can serve.
        reason: why there is no generation, for a person to read.
        refusals: a sentence for each annotation that was passed over.
    """

    generation: Generation | None
    reason: str = ""
    refusals: tuple[str, ...] = ()


@dataclass(eq=False)
class _Attempt:
    """What was learned so far.

    Attributes:
        built: references by annotation id and label.
        unusable: why an annotation cannot serve, by its id.
        images: reference images with their embeddings by task id: several labels may share one.
        pictures: of the references for the status page, by annotation id and label.
    """

    built: dict[tuple[int, str], Reference] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    images: dict[int, tuple[NDArray[np.uint8], ImageEmbedding]] = field(default_factory=dict)
    pictures: dict[tuple[int, str], bytes] = field(default_factory=dict)


def learn(context: WorkerContext, project: Project) -> Lesson:
    """Build the references of *project* from its annotations.

    An annotation whose image is gone or broken, or whose masks do not fit it, is passed over for the next.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
        TransientError: Label Studio or an image's server does not answer now.
    """
    controls = image_controls(project.label_config)
    attempt = _Attempt()
    picked = _pick(context, project.id, controls, attempt)
    while picked.by_label and len(attempt.unusable) < _MOST_UNUSABLE:
        version = generation_version(
            picked.by_label,
            controls,
            checkpoint=context.checkpoint,
            semantics=context.semantics,
            search=context.search,
            output=context.output,
        )
        references = _references(context, project.id, version, picked.by_label.values(), attempt)
        if references is not None:
            generation = Generation(
                *(project.id, version, project.label_config, controls),
                picked=tuple(picked.by_label.values()),
                references=references,
                pictures=_pictures(picked, attempt),
            )
            return Lesson(generation, refusals=_refusals(picked, attempt))
        picked = _pick(context, project.id, controls, attempt)
    return Lesson(None, _reason(picked, attempt), _refusals(picked, attempt))


def _pick(
    context: WorkerContext, project_id: int, controls: Sequence[Control], attempt: _Attempt
) -> PickedReferences:
    annotations = context.label_studio.annotations(project_id)
    return pick_references(annotations, controls, passed_over=attempt.unusable)


def _references(
    context: WorkerContext,
    project_id: int,
    version: str,
    picked: Iterable[PickedReference],
    attempt: _Attempt,
) -> tuple[Reference, ...] | None:
    """Give one reference per picked one, or None after noting in *attempt* which annotations cannot serve."""
    kept = context.generations.get(project_id, version)
    if kept is not None:
        attempt.pictures.update(kept.pictures)
        return kept.references
    for reference in picked:
        if (reference.annotation_id, reference.label) not in attempt.built:
            _build(context, reference, attempt)
    if any(reference.annotation_id in attempt.unusable for reference in picked):
        return None
    return tuple(attempt.built[reference.annotation_id, reference.label] for reference in picked)


def _build(context: WorkerContext, picked: PickedReference, attempt: _Attempt) -> None:
    try:
        if picked.task_id not in attempt.images:
            attempt.images[picked.task_id] = _embedded_image(context, picked)
        image, embedding = attempt.images[picked.task_id]
        built = build_reference(
            *(context.models.sam, context.models.semantic, image, picked.masks),
            label=picked.label,
            embedding=embedding,
            max_tiles=context.search.max_tiles,
        )
    except (FetchRefusedError, ImageRefusedError, VisionError) as exc:
        attempt.unusable[picked.annotation_id] = (
            f"annotation {picked.annotation_id} of task {picked.task_id} cannot serve: {exc}"
        )
    else:
        attempt.built[picked.annotation_id, picked.label] = built
        attempt.pictures[picked.annotation_id, picked.label] = reference_picture(image, picked.masks)


def _embedded_image(
    context: WorkerContext, picked: PickedReference
) -> tuple[NDArray[np.uint8], ImageEmbedding]:
    data = context.fetcher.fetch(picked.image_uri, task_id=picked.task_id)
    image = decode_image(data, limits=context.limits)
    return image, context.models.sam.embed(image)


def _pictures(picked: PickedReferences, attempt: _Attempt) -> dict[tuple[int, str], bytes]:
    """Give the pictures of the references that were picked in the end."""
    names = [(each.annotation_id, each.label) for each in picked.by_label.values()]
    return {name: attempt.pictures[name] for name in names if name in attempt.pictures}


def _refusals(picked: PickedReferences, attempt: _Attempt) -> tuple[str, ...]:
    return (*attempt.unusable.values(), *picked.refusals)


def _reason(picked: PickedReferences, attempt: _Attempt) -> str:
    if not attempt.unusable:
        return picked.reason
    told = list(attempt.unusable.values())[:_MOST_TOLD]
    more = len(attempt.unusable) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])]) + ". Paint a mask on another image."
