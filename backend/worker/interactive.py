"""The job that answers a person who points at something in the editor, and waits for it."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from backend.jobs.interactive import Question, Questions
from backend.jobs.request_id import for_request
from backend.labelstudio.client import Task
from backend.labelstudio.errors import LabelStudioError, NotFoundError, RegionError, RleError
from backend.labelstudio.interactive import PointedThing, Pointing, answer_control, pointing
from backend.labelstudio.label_config import Control, image_controls
from backend.labelstudio.origin import objects
from backend.labelstudio.regions import ScoredMask, drawn_regions, prediction
from backend.labelstudio.specks import without_specks
from backend.labelstudio.task_data import image_address
from backend.vision.errors import VisionError
from backend.vision.instance import Instance, MaskWindow, mask_window
from backend.vision.interactive import Prompt, segment_shown, similar_instances
from backend.worker.context import WorkerContext, current_job
from backend.worker.open_images import OpenImage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A question with what Label Studio knows about it.

    Attributes:
        pointed: what is shown.
        controls: of the label config.
        control: that the answer goes through.
        task: with its address.
        known: regions that are there already: a draft has all of them.
        region_ids: of the regions that show it.
    """

    pointed: Pointing
    controls: Sequence[Control]
    control: Control
    task: Task
    known: Sequence[Mapping[str, Any]]
    region_ids: frozenset[str]


def answer(
    project_id: int,
    task_id: int,
    regions: Sequence[Mapping[str, Any]],
    *,
    similar: bool,
    known: Sequence[Mapping[str, Any]],
) -> dict[str, int]:
    """Segment what a person points at, unless nobody waits for it any more. What goes wrong finds nothing."""
    job = current_job.get()
    question = Question(project_id, task_id, tuple(regions), similar, tuple(known))
    return {"regions": _answered(job.worker, job.job_id, question)}


def answer_waiting(worker: WorkerContext) -> None:
    """Answer, amid a job that takes minutes, those who wait at this moment: no other worker may be free."""
    questions = Questions(worker.queue)
    while taken := questions.take():
        with for_request(taken.request_id):
            _answered(worker, taken.job_id, taken.question)


def _answered(worker: WorkerContext, job_id: str, question: Question) -> int:
    """Answer a question; gives how many regions were found."""
    questions, started = Questions(worker.queue), time.monotonic()
    if not questions.is_awaited(job_id):
        logger.info("job %s: nobody waits for the answer any more", job_id)
        return 0
    found: list[dict[str, Any]] = []
    try:
        found = answer_regions(worker, question)
    except (LabelStudioError, VisionError) as exc:
        logger.warning("job %s: no answer for task %d: %s", job_id, question.task_id, exc)
    questions.answer(job_id, found)
    worker.report_cache()
    logger.info("job %s: %d regions in %.2f s", job_id, len(found), time.monotonic() - started)
    return len(found)


def answer_regions(context: WorkerContext, question: Question) -> list[dict[str, Any]]:
    """Give the regions of what a person points at, as the editor takes them.

    What was pointed at counts as drawn by a person, what looks like it as predicted.

    Raises:
        LabelStudioError: the question makes no sense, or the image cannot be had.
        VisionError: the models cannot work with it.
    """
    asked = _asked(context, question)
    uri = image_address(asked.task.data, asked.control.key_of(asked.pointed.item))
    opened = context.open_images.get(asked.task.id, uri, lambda: _opened(context, asked.task, uri))
    size_hw = opened.image.size_hw
    if asked.pointed.size_hw != size_hw:
        raise RegionError(f"expected regions on an image of {size_hw} pixels, got {asked.pointed.size_hw}")
    shown = [
        segment_shown(context.models.sam, opened.embedding, _prompt(thing), size_hw=size_hw)
        for thing in asked.pointed.things
    ]
    shown = [each for each in shown if each.mask.any()]
    label = asked.pointed.label
    masks = [ScoredMask(label, without_specks(each.mask), each.confidence) for each in shown]
    found = _regions(context, asked, masks, origin="manual")
    if question.similar and masks:
        alike = _similar(context, asked, opened, masks)[: max(0, context.output.max_regions - len(masks))]
        scored = [ScoredMask(label, without_specks(each.mask), each.confidence) for each in alike]
        found += _regions(context, asked, scored, origin="prediction")
    return found


def _asked(context: WorkerContext, question: Question) -> _Asked:
    controls = image_controls(context.label_studio.project(question.project_id).label_config)
    contents = context.label_studio.task_contents(question.project_id, [question.task_id])
    if not contents:
        raise NotFoundError(f"expected task {question.task_id} in project {question.project_id}, it is gone")
    data = contents[0].get("data") or {}
    pointed = pointing(question.regions, controls, task_data=data)
    return _Asked(
        pointed=pointed,
        controls=controls,
        control=answer_control(pointed, controls, context.output.control, task_data=data),
        task=Task(question.task_id, data),
        known=question.known or _regions_of(contents[0]),
        region_ids=frozenset(str(each.get("id")) for each in question.regions),
    )


def _opened(context: WorkerContext, task: Task, uri: str) -> OpenImage:
    image = context.fetcher.image(uri, task_id=task.id)
    return OpenImage(image, context.models.sam.embed(image.pixels))


def _prompt(thing: PointedThing) -> Prompt:
    return Prompt(thing.points_xy, thing.positive, thing.box_xyxy, thing.stroke)


def _similar(
    context: WorkerContext, asked: _Asked, opened: OpenImage, masks: Sequence[ScoredMask]
) -> list[Instance]:
    known = [*_known_windows(asked), *opened.offered_for_others(asked.region_ids)]
    found = similar_instances(
        *(context.models, opened.image.pixels, opened.embedding, [each.mask for each in masks]),
        label=asked.pointed.label,
        options=context.search,
        known=known,
        size_hw=opened.image.size_hw,
    )
    windows = [*(mask_window(each.mask) for each in masks), *(each.window for each in found)]
    opened.note_offered(asked.region_ids, windows)
    return found


def _known_windows(asked: _Asked) -> Iterator[MaskWindow]:
    """Masks of what the task has already on this image; what cannot be read is left out."""
    for drawn in drawn_regions(asked.known, asked.controls, predicted=True):
        with suppress(RegionError, RleError):
            if drawn.place != asked.pointed.place:
                continue
            mask = drawn.mask()
            if mask.shape == asked.pointed.size_hw:
                yield mask_window(mask)


def _regions_of(contents: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The regions that a person has in front of them who has not drawn any yet.

    Those of the task's annotations; of a task without one, those of the prediction that was made last, for
    Label Studio begins an annotation with them. What was skipped is not there.
    """
    annotations = [each for each in objects(contents.get("annotations")) if not each.get("was_cancelled")]
    predictions = sorted(objects(contents.get("predictions")), key=lambda each: int(each.get("id") or 0))
    return [region for each in annotations or predictions[-1:] for region in objects(each.get("result"))]


def _regions(
    context: WorkerContext, asked: _Asked, masks: Sequence[ScoredMask], *, origin: str
) -> list[dict[str, Any]]:
    item = prediction(
        *(asked.task.id, "", {asked.pointed.label: asked.control}, asked.pointed.size_hw, masks),
        item=asked.pointed.item,
        tolerance=context.output.tolerance,
    )
    return [{**region, "origin": origin} for region in item["result"]]
