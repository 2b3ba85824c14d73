"""A project that is annotated with boxes: the thing inside teaches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from redis import Redis

from backend.jobs.queue import JobQueue
from backend.vision.clock import StageSeconds
from backend.vision.pipeline import Segmentation
from backend.vision.reference import Reference, build_reference
from tests.colour_sam import RED, box_mask, colour_models, drawn
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio

BOXES = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="boxes" toName="image"><Label value="Coin"/></RectangleLabels>
</View>"""
THING = (8, 16, 16, 32)
WIDE = {"x": 12.5, "y": 10, "width": 75, "height": 60, "rotation": 0, "rectanglelabels": ["Coin"]}


class Finder:
    """Finds nothing, and notes the references that it was given."""

    references: Sequence[Reference] = ()

    def find(
        self,
        models: object,  # noqa: ARG002 - as the core's
        references: Sequence[Reference],
        image: NDArray[np.uint8],  # noqa: ARG002
        **_: object,
    ) -> Segmentation:
        """Find nothing."""
        self.references = references
        return Segmentation((), StageSeconds(1, 2, 3))


def test_a_box_teaches_what_is_inside_of_it(
    run_jobs: Callable[..., dict[str, Any]], connection: Redis, fake: FakeLabelStudio
) -> None:
    """The box is 24 x 48 pixels of 40 x 64, the thing 16 x 32; the tasks' images are the same."""
    models, image = colour_models(), drawn((*THING, RED))
    fake.label_config = BOXES
    fake.annotations.clear()
    fake.tasks.clear()
    first, _ = fake.add_task(image), fake.add_task(image)
    fake.annotate(first, np.zeros(image.shape[:2], np.bool_))
    fake.annotations[first][0]["result"][0] |= {
        "type": "rectanglelabels", "from_name": "boxes", "value": WIDE,
    }  # fmt: skip
    finder = Finder()
    JobQueue(connection).enqueue_sync(PROJECT)

    run_jobs(models=models, find=finder.find)

    painted = build_reference(models.sam, models.semantic, image, [box_mask(*THING)], label="Coin")
    (boxed,) = finder.references
    assert torch.equal(boxed.target, painted.target)
    assert boxed.whole.cells == painted.whole.cells
