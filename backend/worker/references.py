"""From the annotations of a project to a generation that can be used, or to the reason why there is none."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.client import Project
from backend.labelstudio.errors import FetchRefusedError, ImageRefusedError
from backend.labelstudio.images import decode_image
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.references import Annotations, PickedReference, PickedReferences, pick_references
from backend.vision.errors import LearnedError, VisionError
from backend.vision.learned import NOTHING, Learned
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding
from backend.worker.context import WorkerContext
from backend.worker.evidence import Evidence
from backend.worker.generation import Generation, generation_version
from backend.worker.refit import refit
from backend.worker.thumbnails import reference_picture

_MOST_UNUSABLE = 20  # annotations on broken images that are passed over before a person has to look
_MOST_TOLD = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sources:
    """The annotations that a generation is made from.

    Attributes:
        annotations: among which the one shots are.
        evidence: what people made of predictions.
        excluded: ids of annotations that are not to teach.
    """

    annotations: Annotations
    evidence: Evidence = field(default_factory=Evidence)
    excluded: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the annotations of a project teach.

    Attributes:
        generation: the references and what was learned; None when no annotation can serve.
        reason: why there is no generation, for a person to read.
        refusals: a sentence for each annotation that was passed over.
        reviewed: reviewed annotations that there are.
    """

    generation: Generation | None
    reason: str = ""
    refusals: tuple[str, ...] = ()
    reviewed: int = 0


@dataclass(eq=False)
class _Attempt:
    """What was learned so far.

    Attributes:
        built: references by annotation id and label.
        unusable: why an annotation cannot serve, by its id.
        refusals: why others teach no corrections.
        images: reference images with their embeddings by task id: several labels may share one.
        pictures: of the references for the status page, by annotation id and label.
    """

    built: dict[tuple[int, str], Reference] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    images: dict[int, tuple[NDArray[np.uint8], ImageEmbedding]] = field(default_factory=dict)
    pictures: dict[tuple[int, str], bytes] = field(default_factory=dict)


def learn(
    context: WorkerContext, project: Project, sources: Sources, *, step: Callable[[], object] = lambda: None
) -> Lesson:
    """Build the references of *project* from its annotations, and learn from those that were reviewed.

    An annotation whose image is gone or broken, or whose masks do not fit it, is passed over for the next.

    Args:
        context: of the worker.
        project: whose annotations they are.
        sources: the annotations.
        step: called every now and then: the work goes on.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
        TransientError: Label Studio or an image's server does not answer now.
    """
    controls = image_controls(project.label_config)
    attempt = _Attempt()
    picked = _pick(sources, controls, attempt)
    while picked.by_label and len(attempt.unusable) < _MOST_UNUSABLE:
        generation = _generation(context, project, controls, picked, sources.evidence, attempt, step)
        if generation is not None:
            return Lesson(generation, refusals=_refusals(picked, attempt), reviewed=sources.evidence.reviewed)
        picked = _pick(sources, controls, attempt)
    reason = _reason(picked, attempt, sources.excluded)
    return Lesson(None, reason, _refusals(picked, attempt), sources.evidence.reviewed)


def unbuilt_version(context: WorkerContext, project: Project, sources: Sources) -> str:
    """Name the generation that *sources* would make if everything in them can serve.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
    """
    controls = image_controls(project.label_config)
    return _version(context, controls, _pick(sources, controls, _Attempt()), sources.evidence)


def _pick(sources: Sources, controls: Sequence[Control], attempt: _Attempt) -> PickedReferences:
    return pick_references(
        sources.annotations,
        controls,
        passed_over=sources.excluded | set(attempt.unusable),
        reviews=sources.evidence.annotations,
    )


def _generation(
    context: WorkerContext,
    project: Project,
    controls: Sequence[Control],
    picked: PickedReferences,
    evidence: Evidence,
    attempt: _Attempt,
    step: Callable[[], object],
) -> Generation | None:
    """Give the generation, or None after noting in *attempt* which annotations cannot serve.

    Where reviews taught nothing it is the same as without them: no task need be predicted anew.
    """
    learned = _learned(context, project, controls, picked, evidence, attempt, step)
    if learned is None:
        return None
    used = evidence if learned != NOTHING else Evidence()
    version = _version(context, controls, picked, used)
    step()
    references = _references(context, project.id, version, picked.by_label.values(), attempt)
    if references is None:
        return None
    return Generation(
        *(project.id, version, project.label_config, tuple(controls)),
        picked=tuple(picked.by_label.values()),
        references=references,
        pictures=_pictures(picked, attempt),
        learned=learned,
        evidence=used.ids,
    )


def _version(
    context: WorkerContext, controls: Sequence[Control], picked: PickedReferences, evidence: Evidence
) -> str:
    return generation_version(
        picked.by_label,
        controls,
        checkpoint=context.checkpoint,
        semantics=context.semantics,
        search=context.search,
        output=context.output,
        evidence=evidence.content(),
    )


def _learned(
    context: WorkerContext,
    project: Project,
    controls: Sequence[Control],
    picked: PickedReferences,
    evidence: Evidence,
    attempt: _Attempt,
    step: Callable[[], object],
) -> Learned | None:
    """Give what the reviews taught, from a worker that has learned it before if there is one.

    None after noting in *attempt* which references cannot serve.
    """
    if not evidence.annotations:
        return NOTHING
    name = _version(context, controls, picked, evidence)
    kept = _kept(context, project.id, name)
    if kept is not None:
        return kept
    references = _references(context, project.id, name, picked.by_label.values(), attempt)
    if references is None:
        return None
    learned = refit(
        *(context, references, tuple(picked.by_label.values()), evidence, controls),
        refusals=attempt.refusals,
        step=step,
    )
    context.known.keep_learned(project.id, name, learned.to_json())
    return learned


def _kept(context: WorkerContext, project_id: int, name: str) -> Learned | None:
    """Give what another worker has learned; None where it has not, or writes it down in another way."""
    kept = context.known.learned(project_id, name)
    try:
        return None if kept is None else Learned.from_json(kept)
    except LearnedError as exc:
        logger.warning("project %d: %s", project_id, exc)
        return None


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
    return (*attempt.unusable.values(), *attempt.refusals, *picked.refusals)


def _reason(picked: PickedReferences, attempt: _Attempt, excluded: frozenset[int]) -> str:
    if not attempt.unusable:
        out = " (excluded as references on the status page: annotations {})"
        ids = ", ".join(map(str, sorted(excluded)[:_MOST_TOLD]))
        return picked.reason + (out.format(ids) if excluded else "")
    told = list(attempt.unusable.values())[:_MOST_TOLD]
    more = len(attempt.unusable) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])]) + ". Paint a mask on another image."
