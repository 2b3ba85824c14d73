"""One task: from its images to the prediction that is to be pushed."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.jobs.progress import TaskProgress
from backend.labelstudio.client import Task
from backend.labelstudio.errors import ImageRefusedError, PermanentError
from backend.labelstudio.images import decode_reduced
from backend.labelstudio.outputs import SearchedImage, painted_regions, region_plan
from backend.labelstudio.regions import ScoredMask, prediction
from backend.labelstudio.specks import SPECK_PIXELS, without_specks
from backend.labelstudio.task_data import image_address
from backend.vision.errors import VisionError
from backend.vision.instance import Instance
from backend.vision.pipeline import Segmentation
from backend.vision.score import prediction_score
from backend.worker.context import WorkerContext
from backend.worker.generation import Generation
from backend.worker.prefetch import Loaded, Prefetch, TaskImage

_MOST_TOLD = 3  # images that cannot be used
_RUN_LENGTH_BYTES, _POINT_BYTES = 4, 40  # as JSON: up to three digits, comma and space; two long numbers


@dataclass(frozen=True, eq=False)
class Computed:
    """What was found in one task's images.

    Attributes:
        item: the prediction, as Label Studio takes it.
        progress: how the task ends once that is pushed.
        picture: a small JPEG of the first image with something found, if one was drawn.
    """

    item: dict[str, Any]
    progress: TaskProgress
    picture: bytes | None = None

    @property
    def task_id(self) -> int:
        """The task's id."""
        return self.progress.task_id

    @property
    def size(self) -> int:
        """About how many bytes of JSON the prediction takes."""
        return sum(_size(region["value"]) for region in self.item["result"])

    def pushed(self, seconds: float) -> TaskProgress:
        """Give how the task has ended, its share of the push having taken *seconds*."""
        stages = dict(self.progress.stages)
        stages["push"] = stages.get("push", 0) + seconds
        return replace(self.progress, stages=stages, seconds=round(sum(stages.values()), 3))


def images_of(
    context: WorkerContext, keys: Callable[[Task], Iterable[str]], tasks: Sequence[Task]
) -> Prefetch[TaskImage]:
    """Load the images of tasks ahead of their use: of each task those under its *keys* in its data."""

    def fetch(wanted: TaskImage) -> bytes:
        uri = image_address(wanted.task.data, wanted.key)
        return context.fetcher.fetch(uri, task_id=wanted.task.id)

    wanted = [TaskImage(task, key) for task in tasks for key in keys(task)]
    return Prefetch(fetch, partial(decode_reduced, limits=context.limits), wanted)


def searched_in(task: Task, images: Iterable[SearchedImage]) -> list[SearchedImage]:
    """List the images of one task that are searched.

    Args:
        task: the task.
        images: those of each task.
    """
    return [each for image in images for each in image.of(task.data)]


def compute(
    context: WorkerContext, generation: Generation, task: Task, images: Iterable[Future[Loaded]]
) -> Computed:
    """Find the instances in the task's images.

    Label Studio is given an empty prediction when nothing is found, so that it does not ask again. An image
    that cannot be used is left out, and the task's progress says why, as long as there is another one.

    Args:
        context: of the worker.
        generation: that is predicted with.
        task: the task.
        images: those of ``searched_in``, in their order; taken one by one.

    Raises:
        PermanentError: none of the images can be used.
        TransientError: the server of one of them does not answer now.
        VisionError: the models cannot work with the only image.
    """
    found: list[_Found] = []
    troubles: dict[str, PermanentError | VisionError] = {}
    shown: tuple[NDArray[np.uint8], Sequence[Instance]] | None = None
    searched = searched_in(task, generation.images(context.output.control))
    for image, loading in zip(searched, images, strict=False):  # strict would load the next task's image
        try:
            loaded = loading.result()
            found.append(_found(context, generation, task, image, loaded))
        except (PermanentError, VisionError) as exc:
            troubles[str(image)] = exc
            continue
        instances = found[-1].instances
        if shown is None or (instances and not shown[1]):
            shown = loaded.image.pixels, instances
    if shown is None:
        raise _refusal(troubles)
    picture = context.thumbnailer.found(*shown)
    return _computed(context, generation, task, found, _told(troubles), picture)


@dataclass(frozen=True, eq=False)
class _Found:
    """What was found in one of a task's images.

    Attributes:
        image: which.
        size_hw: its height and width in its own pixels.
        instances: those whose label the task may have, without specks.
        segmentation: all that the core said.
        fetched_s: seconds that fetching and decoding took.
    """

    image: SearchedImage
    size_hw: tuple[int, int]
    instances: tuple[Instance, ...]
    segmentation: Segmentation
    fetched_s: float

    @property
    def counts(self) -> Counter[str]:
        """Instances by label."""
        return Counter(each.label for each in self.instances)


def _found(
    context: WorkerContext, generation: Generation, task: Task, image: SearchedImage, loaded: Loaded
) -> _Found:
    """Search one image for the labels that its controls offer."""
    references = [each for each in generation.references if each.label in image.controls]
    segmentation = context.find(
        *(context.models, references, loaded.image.pixels),
        options=context.search,
        learned=generation.learned,
        size_hw=loaded.image.size_hw,
    )
    instances = tuple(
        each
        for each in segmentation.instances
        if each.window.area >= SPECK_PIXELS and each.label in image.controls[each.label].labels_of(task.data)
    )
    return _Found(image, loaded.image.size_hw, instances, segmentation, loaded.seconds)


def _computed(
    context: WorkerContext,
    generation: Generation,
    task: Task,
    found: Sequence[_Found],
    told: str | None,
    picture: bytes | None,
) -> Computed:
    """Put what was found in a task's images into one prediction."""
    started = time.perf_counter()
    regions, limits = _regions(context, generation, task, found)
    confidences = [instance.confidence for each in found for instance in each.instances]
    item = {
        "task": task.id,
        "model_version": generation.model_version,
        "score": prediction_score(confidences, sum(each.segmentation.missed for each in found)),
        "result": regions,
    }
    spent = [each.segmentation.seconds for each in found]
    progress = TaskProgress(
        *(task.id, "done" if confidences else "empty"),
        instances=len(confidences),
        confidence=sum(confidences) / len(confidences) if confidences else None,
        reason=told,
        limits=limits,
        stages={
            "fetch": sum(each.fetched_s for each in found),
            "encode": sum(each.encode for each in spent),
            "search": sum(each.search for each in spent),
            "check": sum(each.check for each in spent),
            "push": time.perf_counter() - started,
        },
    )
    return Computed(item, progress, picture)


def _regions(
    context: WorkerContext, generation: Generation, task: Task, found: Sequence[_Found]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Give the regions of all images, and the bounds that were met, each once."""
    regions: list[dict[str, Any]] = []
    limits = [limit for each in found for limit in each.segmentation.limits]
    painted = [sum(painted_regions(each.counts, each.image.controls).values()) for each in found]
    for each, own in zip(found, painted, strict=True):
        plan = region_plan(
            *(each.counts, each.image.controls, generation.controls, context.output),
            task_data=task.data,
            elsewhere=sum(painted) - own,
        )
        masks = plan.instances(
            ScoredMask(one.label, without_specks(one.mask), one.confidence) for one in each.instances
        )
        item = prediction(
            *(task.id, generation.model_version, plan.controls, each.size_hw, masks),
            item=each.image.item,
            tolerance=context.output.tolerance,
            note=plan.limit,
        )
        regions += item["result"]
        limits += [plan.limit] if plan.limit else []
    return regions, tuple(dict.fromkeys(limits))


def _refusal(troubles: Mapping[str, PermanentError | VisionError]) -> PermanentError | VisionError:
    """Say why none of a task's images can be used."""
    if len(troubles) == 1:
        return next(iter(troubles.values()))
    return ImageRefusedError(f"expected an image that can be used, got none: {_reasons(troubles)}")


def _told(troubles: Mapping[str, PermanentError | VisionError]) -> str | None:
    """Say which images were left out; None where all were searched."""
    return f"predicted without {_reasons(troubles)}" if troubles else None


def _reasons(troubles: Mapping[str, PermanentError | VisionError]) -> str:
    told = [f"{name} ({error})" for name, error in troubles.items()]
    among = f"{len(told)} images, among them " if len(told) > _MOST_TOLD else ""
    return among + "; ".join(told[:_MOST_TOLD])


def _size(value: Mapping[str, Any]) -> int:
    """About how many bytes of JSON a region's value takes, whichever way it draws its mask."""
    painted = _RUN_LENGTH_BYTES * len(value.get("rle", ())) + len(value.get("imageDataURL", ""))
    return painted + _POINT_BYTES * len(value.get("points", ()))
