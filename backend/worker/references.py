"""From the annotations of a project to a generation that can be used, or to the reason why there is none."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.client import Project
from backend.labelstudio.errors import FetchRefusedError, ImageRefusedError, StorageFailedError
from backend.labelstudio.images import DecodedImage
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.references import (
    Annotation,
    Annotations,
    PickedReference,
    PickedReferences,
    pick_references,
)
from backend.vision.boxed import thing_inside
from backend.vision.errors import LearnedError, VisionError
from backend.vision.reduction import Reduction
from backend.vision.reference import Reference, build_reference
from backend.vision.sam import ImageEmbedding
from backend.worker.context import WorkerContext
from backend.worker.errors import UntaughtError
from backend.worker.evidence import Evidence
from backend.worker.generation import Generation, generation_version
from backend.worker.more_references import more_references, named
from backend.worker.refit import refit
from backend.worker.taught import Taught
from backend.worker.thumbnails import reference_picture

_MOST_UNUSABLE = 20  # annotations on broken images that are passed over before a person has to look
_MOST_TOLD = 3
_IMAGES_KEPT = 4  # of references

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sources:
    """The annotations that a generation is made from.

    Attributes:
        annotations: among which the one shots are.
        evidence: what people made of predictions.
        excluded: ids of annotations that are not to teach.
        reviews: more reviewed annotations that may teach a label, beside those of the evidence.
    """

    annotations: Annotations
    evidence: Evidence = field(default_factory=Evidence)
    excluded: frozenset[int] = frozenset()
    reviews: tuple[Annotation, ...] = ()


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the annotations of a project teach.

    Attributes:
        generation: the references and what was learned; None when no annotation can serve.
        reason: why there is no generation, for a person to read.
        passed_over: why an annotation is no reference, a sentence for each.
        unlearned: why a review teaches no corrections, a sentence for each.
        reviewed: reviewed annotations that there are.
        seen: those that are due, also where a bound leaves the older ones out.
        tasks: of the annotations of the references and of the corrections.
        in_vain: those that were looked at, and taught nothing that saves work.
    """

    generation: Generation | None
    reason: str = ""
    passed_over: tuple[str, ...] = ()
    unlearned: tuple[str, ...] = ()
    reviewed: int = 0
    seen: int = 0
    tasks: Mapping[int, int] = field(default_factory=dict)
    in_vain: int = 0


@dataclass(eq=False)
class _Attempt:
    """What was learned so far.

    Attributes:
        built: references by annotation id and label.
        unusable: why an annotation cannot serve, by its id.
        refusals: why others teach no corrections.
        images: reference images with their embeddings by task id and address: several labels may share one.
        pictures: of the references for the status page, by annotation id and label.
    """

    built: dict[tuple[int, str], Reference] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    images: dict[tuple[int, str], tuple[DecodedImage, ImageEmbedding]] = field(default_factory=dict)
    pictures: dict[tuple[int, str], bytes] = field(default_factory=dict)


def learn(
    context: WorkerContext,
    project: Project,
    sources: Sources,
    *,
    step: Callable[[], object] = lambda: None,
    teaches: bool = True,
) -> Lesson:
    """Build the references of *project* from its annotations, and learn from those that were reviewed.

    An annotation whose image is gone or broken, or whose masks do not fit it, is passed over for the next.

    Args:
        context: of the worker.
        project: whose annotations they are.
        sources: the annotations.
        step: called every now and then: the work goes on.
        teaches: whether to learn from reviews what nobody has learned yet, which may take minutes.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
        TransientError: Label Studio or an image's server does not answer now.
        UntaughtError: something is to be learned, and this does not teach.
    """
    making = _Making(context, project, image_controls(project.label_config), sources, step, teaches)
    picked, attempt = making.pick(), making.attempt
    while picked.by_label and len(attempt.unusable) < _MOST_UNUSABLE:
        generation = making.generation(picked)
        if generation is not None:
            return _lesson(generation, "", picked, making)
        picked = making.pick()
    reason = _reason(picked, attempt, sources.excluded)
    return _lesson(None, reason, picked, making)


def unbuilt_version(context: WorkerContext, project: Project, sources: Sources) -> str:
    """Name the generation that *sources* would make if everything in them can serve.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
    """
    making = _Making(context, project, image_controls(project.label_config), sources, lambda: None)
    return making.version(making.pick(), sources.evidence)


@dataclass(frozen=True, eq=False)
class _Making:
    """How a generation is made.

    Attributes:
        context: of the worker.
        project: the project.
        controls: of its label config.
        sources: the annotations.
        step: called every now and then: the work goes on.
        teaches: whether to learn from reviews what nobody has learned yet.
        attempt: what was learned so far.
    """

    context: WorkerContext
    project: Project
    controls: Sequence[Control]
    sources: Sources
    step: Callable[[], object]
    teaches: bool = True
    attempt: _Attempt = field(default_factory=_Attempt)

    def pick(self) -> PickedReferences:
        """Pick the one shots among what may serve."""
        return pick_references(
            self.sources.annotations,
            self.controls,
            passed_over=self.sources.excluded | set(self.attempt.unusable),
            reviews=(*self.sources.evidence.annotations, *self.sources.reviews),
            most_starred=self.context.learning.max_references,
        )

    def generation(self, picked: PickedReferences) -> Generation | None:
        """Make the generation; None after noting which of the one shots cannot serve.

        Where reviews taught nothing it is the same as without them: no task need be predicted anew.
        """
        taught = self._taught(picked)
        if taught is None:
            return None
        used = Evidence() if taught.is_nothing else self.sources.evidence
        version = self.version(picked, used)
        everything = (*picked.everything, *self._more(version, taught, picked, used))
        references = self._references(version, everything)
        if references is None:
            return None
        return Generation(
            *(self.project.id, version, self.project.label_config, tuple(self.controls)),
            picked=everything,
            references=references,
            pictures=_pictures(everything, self.attempt),
            learned=taught.learned,
            evidence=used.ids,
        )

    def version(self, picked: PickedReferences, evidence: Evidence) -> str:
        """Name the generation that these make."""
        limit = self.context.learning.max_references
        return generation_version(
            picked.by_label,
            self.controls,
            checkpoint=self.context.checkpoint,
            semantics=self.context.semantics,
            search=self.context.search,
            output=self.context.output,
            evidence=[
                *evidence.content(),
                *([limit, *evidence.starred] if limit > 1 and evidence.ids else []),
            ],
            more=picked.more,
        )

    def _taught(self, picked: PickedReferences) -> Taught | None:
        """Give what the reviews taught, from a worker that has learned it before if there is one.

        None after noting which of the one shots cannot serve.
        """
        if not self.sources.evidence.annotations:
            return Taught()
        name = self.version(picked, self.sources.evidence)
        kept = _kept(self.context, self.project.id, name)
        if kept is not None:
            return kept
        taught = self._remembered(name, picked)
        if taught is None:
            if self._references(name, picked.everything) is None:
                return None
            taught = self._teach(picked)
        self.context.known.keep_learned(self.project.id, name, taught.to_json())
        return taught

    def _remembered(self, name: str, picked: PickedReferences) -> Taught | None:
        """Give what was learned as this process has it, should Redis have lost it; None if it has not."""
        made = self.context.generations.get(self.project.id, name)
        if made is None:
            return None
        more = made.picked[len(picked.everything) :]
        return Taught(made.learned, tuple((each.label, each.annotation_id) for each in more))

    def _teach(self, picked: PickedReferences) -> Taught:
        if not self.teaches:
            raise UntaughtError(
                f"expected the lessons of project {self.project.id} to be kept, got none; a sync learns them"
            )
        with self.context.known.learning(self.project.id, len(self.sources.evidence.annotations)):
            return self._learned(picked)

    def _learned(self, picked: PickedReferences) -> Taught:
        """Learn, which may take minutes."""
        evidence, limit = self.sources.evidence, self.context.learning.max_references
        one_shots = tuple(picked.by_label.values())
        more = more_references(*(one_shots, evidence, self.controls, self._built, limit), starred=picked.more)
        everything = (*picked.everything, *more)
        references = [self.attempt.built[each.annotation_id, each.label] for each in everything]
        learned = refit(
            *(self.context, references, everything, evidence, self.controls),
            refusals=self.attempt.refusals,
            step=self.step,
        )
        return Taught(learned, tuple((each.label, each.annotation_id) for each in more))

    def _more(
        self, version: str, taught: Taught, picked: PickedReferences, used: Evidence
    ) -> list[PickedReference]:
        """Find the references that came from reviews; without those whose image is gone since."""
        found = named(taught.more, tuple(picked.by_label.values()), used, self.controls)
        if self.context.generations.get(self.project.id, version) is not None:
            return found
        return [each for each in found if self._built(each) is not None]

    def _references(self, version: str, picked: Sequence[PickedReference]) -> tuple[Reference, ...] | None:
        """Give one reference per picked one, or None after noting which annotations cannot serve."""
        kept = self.context.generations.get(self.project.id, version)
        if kept is not None:
            self.attempt.pictures.update(kept.pictures)
            return kept.references
        built = [self._built(each) for each in picked]
        return None if None in built else tuple(each for each in built if each is not None)

    def _built(self, picked: PickedReference) -> Reference | None:
        """Build a reference; None after noting that its annotation cannot serve."""
        name = (picked.annotation_id, picked.label)
        if name not in self.attempt.built and picked.annotation_id not in self.attempt.unusable:
            self.step()
            _build(self.context, picked, self.attempt)
        return self.attempt.built.get(name)


def _kept(context: WorkerContext, project_id: int, name: str) -> Taught | None:
    """Give what another worker has learned; None where it has not, or writes it down in another way."""
    kept = context.known.learned(project_id, name)
    try:
        return None if kept is None else Taught.from_json(kept)
    except LearnedError as exc:
        logger.warning("project %d: %s", project_id, exc)
        return None


def _build(context: WorkerContext, picked: PickedReference, attempt: _Attempt) -> None:
    try:
        image, embedding = _embedded_image(context, picked, attempt)
        masks = _shown(context, picked, image, embedding)
        built = build_reference(
            *(context.models.sam, context.models.semantic, image.pixels, masks),
            label=picked.label,
            embedding=embedding,
            max_tiles=context.search.max_tiles,
            fine_tuned=context.search.fine_tuned,
        )
    except (FetchRefusedError, ImageRefusedError, StorageFailedError, VisionError) as exc:
        attempt.unusable[picked.annotation_id] = (
            f"annotation {picked.annotation_id} of task {picked.task_id} cannot serve: {exc}"
        )
    else:
        attempt.built[picked.annotation_id, picked.label] = built
        attempt.pictures[picked.annotation_id, picked.label] = reference_picture(image.pixels, masks)


def _shown(
    context: WorkerContext, picked: PickedReference, image: DecodedImage, embedding: ImageEmbedding
) -> list[NDArray[np.bool_]]:
    """Give masks of what is shown, as the image was decoded: of what was drawn around, the thing inside."""
    reduction = Reduction.of(image.pixels.shape[:2], image.size_hw)
    around = picked.surrounding or (False,) * len(picked.masks)
    return [
        thing_inside(context.models.sam, embedding, mask) if surrounds else mask
        for mask, surrounds in zip(map(reduction.mask, picked.masks), around, strict=True)
    ]


def _embedded_image(
    context: WorkerContext, picked: PickedReference, attempt: _Attempt
) -> tuple[DecodedImage, ImageEmbedding]:
    """Get an image and its embedding; only the last few are kept, they may be large."""
    name = (picked.task_id, picked.image_uri)
    if name not in attempt.images:
        image = context.fetcher.image(picked.image_uri, task_id=picked.task_id)
        while len(attempt.images) >= _IMAGES_KEPT:
            attempt.images.pop(next(iter(attempt.images)))
        attempt.images[name] = image, context.models.sam.embed(image.pixels)
    return attempt.images[name]


def _pictures(picked: Iterable[PickedReference], attempt: _Attempt) -> dict[tuple[int, str], bytes]:
    """Give the pictures of the references that were picked in the end."""
    names = [(each.annotation_id, each.label) for each in picked]
    return {name: attempt.pictures[name] for name in names if name in attempt.pictures}


def _lesson(generation: Generation | None, reason: str, picked: PickedReferences, making: _Making) -> Lesson:
    evidence = making.sources.evidence
    return Lesson(
        generation,
        reason,
        passed_over=(*making.attempt.unusable.values(), *picked.refusals),
        unlearned=tuple(making.attempt.refusals),
        reviewed=evidence.reviewed,
        seen=evidence.seen,
        tasks={each.annotation_id: each.task_id for each in picked.everything}
        | {each.id: each.task_id for each in evidence.annotations},
        in_vain=0 if generation is None or generation.evidence else len(evidence.annotations),
    )


def _reason(picked: PickedReferences, attempt: _Attempt, excluded: frozenset[int]) -> str:
    if not attempt.unusable:
        out = " (excluded as references on the status page: annotations {})"
        ids = ", ".join(map(str, sorted(excluded)[:_MOST_TOLD]))
        return picked.reason + (out.format(ids) if excluded else "")
    told = list(attempt.unusable.values())[:_MOST_TOLD]
    more = len(attempt.unusable) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])]) + ". Paint a mask on another image."
