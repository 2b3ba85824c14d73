"""One task: from its image to the prediction that is to be pushed."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from backend.jobs.progress import TaskProgress
from backend.labelstudio.client import Task
from backend.labelstudio.errors import FetchRefusedError
from backend.labelstudio.images import decode_image
from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import output_controls, region_plan
from backend.labelstudio.regions import ScoredMask, prediction
from backend.vision.score import prediction_score
from backend.worker.context import WorkerContext
from backend.worker.generation import Generation
from backend.worker.prefetch import Loaded, Prefetch

_RUN_LENGTH_BYTES, _POINT_BYTES = 4, 40  # as JSON: up to three digits, comma and space; two long numbers


@dataclass(frozen=True, eq=False)
class Computed:
    """What was found in one task's image.

    Attributes:
        item: the prediction, as Label Studio takes it.
        progress: how the task ends once that is pushed.
        picture: a small JPEG of what was found, if one was drawn.
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


def image_uri(task: Task, key: str) -> str:
    """Give the address of the task's image.

    Args:
        task: the task.
        key: of the image in the task's data.

    Raises:
        FetchRefusedError: there is none.
    """
    uri = task.data.get(key)
    if not isinstance(uri, str) or not uri:
        raise FetchRefusedError(
            f"expected the address of an image under {key!r} in the task's data, got {uri!r}; "
            "correct the task's data or the Image's value in the label config"
        )
    return uri


def images_of(context: WorkerContext, key: str, tasks: Sequence[Task]) -> Prefetch:
    """Load the images of tasks ahead of their use, each from the address under *key* in its task's data."""

    def fetch(task: Task) -> bytes:
        return context.fetcher.fetch(image_uri(task, key), task_id=task.id)

    return Prefetch(fetch, partial(decode_image, limits=context.limits), tasks)


def compute(context: WorkerContext, generation: Generation, task: Task, loaded: Loaded) -> Computed:
    """Find the instances in the task's image.

    Label Studio is given an empty prediction when nothing is found, so that it does not ask again.

    Raises:
        VisionError: the models cannot work with the image.
    """
    height, width = loaded.image.shape[:2]
    segmentation = context.find(
        *(context.models, generation.references, loaded.image),
        options=context.search,
        learned=generation.learned,
    )
    outputs, spent = _outputs(generation, context), segmentation.seconds
    found = [
        each for each in segmentation.instances if each.label in outputs[each.label].labels_of(task.data)
    ]
    picture = context.thumbnailer.found(loaded.image, found)
    started = time.perf_counter()
    counts = Counter(each.label for each in found)
    plan = region_plan(counts, outputs, generation.controls, context.output)
    masks = plan.instances(ScoredMask(each.label, each.mask, each.confidence) for each in found)
    item = prediction(
        *(task.id, generation.model_version, plan.controls, (height, width), masks),
        tolerance=context.output.tolerance,
        note=plan.limit,
    )
    item["score"] = prediction_score([each.confidence for each in found], segmentation.missed)
    progress = TaskProgress(
        *(task.id, "done" if found else "empty"),
        instances=len(found),
        confidence=sum(each.confidence for each in found) / len(found) if found else None,
        limits=(*segmentation.limits, *([plan.limit] if plan.limit else [])),
        stages={
            "fetch": loaded.seconds,
            "encode": spent.encode,
            "search": spent.search,
            "check": spent.check,
            "push": time.perf_counter() - started,
        },
    )
    return Computed(item, progress, picture)


def _outputs(generation: Generation, context: WorkerContext) -> Mapping[str, Control]:
    picked = {each.label: each for each in reversed(generation.picked)}  # the one shot comes first
    return output_controls(picked, generation.controls, context.output.control)


def _size(value: Mapping[str, Any]) -> int:
    """About how many bytes of JSON a region's value takes, whichever way it draws its mask."""
    painted = _RUN_LENGTH_BYTES * len(value.get("rle", ())) + len(value.get("imageDataURL", ""))
    return painted + _POINT_BYTES * len(value.get("points", ()))
