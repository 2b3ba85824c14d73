"""Which generation a project is to have: the one that follows from its annotations, or one a person wants."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from backend.jobs.generations import GenerationNote, Wishes
from backend.labelstudio.client import Project
from backend.labelstudio.references import Annotation
from backend.worker.context import WorkerContext
from backend.worker.evidence import gathered, of_generation
from backend.worker.generation import Generation
from backend.worker.references import Lesson, Sources, learn, unbuilt_version


@dataclass(frozen=True, eq=False)
class These:
    """A few annotations, as ``pick_references`` wants them."""

    annotations: tuple[Annotation, ...]

    def ground_truths(self) -> int:
        """How many have a ground-truth star."""
        return sum(each.ground_truth for each in self.annotations)

    def in_order(self) -> Iterator[Annotation]:
        """All of them."""
        return iter(sorted(self.annotations, key=lambda each: each.id))


def wanted(context: WorkerContext, project: Project, wishes: Wishes, *, step: Callable[[], object]) -> Lesson:
    """Learn the generation that the project is to have now.

    One that a person made current holds as long as nothing else would have come up meanwhile, and as what it
    was made from is there.

    Args:
        context: of the worker.
        project: the project.
        wishes: what people asked for.
        step: called every now and then: the work goes on.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
        TransientError: Label Studio or an image's server does not answer now.
    """
    sources = of_itself(context, project.id, wishes)
    if wishes.pin is not None and not wishes.asked:
        pinned = _pinned(context, project, wishes, wishes.pin, sources, step)
        if pinned is not None:
            return pinned
    return learn(context, project, sources, step=step)


def rebuilt(context: WorkerContext, project: Project, version: str) -> Generation | None:
    """Build a generation that another process has made; None if Label Studio does not hold it any more.

    Raises:
        LabelConfigError: the label config has no control that holds masks.
        TransientError: Label Studio or an image's server does not answer now.
        UntaughtError: what reviews taught it is not kept any more.
    """
    note, wishes = context.known.note(project.id, version), context.known.wishes(project.id)
    sources = _of_note(context, project.id, note) if note else of_itself(context, project.id, wishes)
    found = learn(context, project, sources, teaches=False).generation
    return found if found is not None and found.model_version == version else None


def of_itself(context: WorkerContext, project_id: int, wishes: Wishes) -> Sources:
    """Give the annotations that a generation is made from when nobody wants another one."""
    annotations = context.label_studio.annotations(project_id).as_of_now()
    return Sources(annotations, gathered(annotations, wishes, context.learning), wishes.excluded)


def _of_note(context: WorkerContext, project_id: int, note: GenerationNote) -> Sources:
    """Give the annotations that a known generation was made from."""
    annotations = context.label_studio.annotations(project_id).as_of_now()
    taught = annotations.named(annotations.tasks_of(dict.fromkeys(each for _, each in note.references)))
    reviews = tuple(each for each in taught if each.is_review)
    return Sources(These(tuple(taught)), of_generation(annotations, note), reviews=reviews)


def _pinned(
    context: WorkerContext,
    project: Project,
    wishes: Wishes,
    version: str,
    sources: Sources,
    step: Callable[[], object],
) -> Lesson | None:
    """Learn the generation that a person made current; the one before if it is lost; None if that is over."""
    over = unbuilt_version(context, project, sources)
    note = context.known.note(project.id, version)
    if note is None or wishes.pinned_over not in (None, over):
        context.known.unpin(project.id, version)
        return None
    lesson = learn(context, project, _of_note(context, project.id, note), step=step)
    if lesson.generation is None or lesson.generation.model_version != version:
        before = context.known.note_lost(project.id, version)
        if before is None:
            return None
        return _pinned(context, project, replace(wishes, pinned_over=None), before, sources, step)
    context.known.note_pinned_over(project.id, over)
    return replace(lesson, reviewed=sources.evidence.reviewed)
