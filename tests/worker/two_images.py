"""A project whose tasks have two images of different sizes, and a core that finds what is bright in each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.vision.clock import StageSeconds
from backend.vision.instance import Instance, mask_window
from backend.vision.learned import NOTHING, Learned
from backend.vision.pipeline import Segmentation
from backend.vision.reference import Reference
from backend.vision.reviewed import Reviewed
from tests.worker.conftest import disc, disc_mask
from tests.worker.fake_label_studio import PROJECT, FakeLabelStudio, png, region

SIZES_HW = {"left": (48, 80), "right": (40, 56)}
SAME_LABELS = """<View>
  <Image name="left" value="$l"/>
  <BrushLabels name="left-brush" toName="left"><Label value="Coin"/></BrushLabels>
  <Image name="right" value="$r"/>
  <BrushLabels name="right-brush" toName="right"><Label value="Coin"/></BrushLabels>
</View>"""
OWN_LABELS = SAME_LABELS[::-1].replace('"nioC"', '"tuN"', 1)[::-1]  # the right image's is Nut


def address(task_id: int, name: str) -> str:
    """Of one image of a task."""
    return f"/data/upload/{PROJECT}/{task_id}-{name}.png"


def make_two_images(fake: FakeLabelStudio, *, label_config: str = SAME_LABELS, tasks: int = 3) -> None:
    """Give the project so many tasks with a disc in both images; none is annotated."""
    fake.label_config = label_config
    fake.annotations.clear()
    fake.tasks.clear()
    for task_id in range(1, tasks + 1):
        fake.tasks[task_id] = {"l": address(task_id, "left"), "r": address(task_id, "right")}
        for name, size_hw in SIZES_HW.items():
            fake.files[address(task_id, name)] = png(disc(size_hw))


def painted(name: str, label: str = "Coin", **extra: Any) -> dict[str, Any]:
    """A person's region: the disc on the left or the right image."""
    drawn = region(disc_mask(SIZES_HW[name])) | {"id": f"painted-{name}"}
    drawn["value"]["brushlabels"] = [label]
    return drawn | {"from_name": f"{name}-brush", "to_name": name} | extra


def annotate(fake: FakeLabelStudio, task_id: int, *regions: dict[str, Any], **extra: Any) -> int:
    """Have a person submit these regions."""
    annotation = fake.annotate(task_id, disc_mask(), **extra)
    fake.annotations[task_id][-1]["result"] = list(regions)
    return annotation


@dataclass
class Core:
    """Finds what is bright, once for each label that has a reference; notes what it was asked.

    Attributes:
        searched: size of each image, and the labels that were looked for in it.
        reviewed: what it was taught with.
        blind: sizes of images in which it finds nothing.
    """

    searched: list[tuple[tuple[int, int], list[str]]] = field(default_factory=list)
    reviewed: list[Reviewed] = field(default_factory=list)
    blind: Sequence[tuple[int, int]] = ()

    def find(
        self,
        models: object,  # noqa: ARG002 - as the core's
        references: Sequence[Reference],
        image: NDArray[np.uint8],
        **_: object,
    ) -> Segmentation:
        """Find the disc."""
        labels = sorted({each.label for each in references})
        height, width = image.shape[:2]
        self.searched.append(((height, width), labels))
        if (height, width) in self.blind:
            labels = []
        confidence = 0.5 if (height, width) == SIZES_HW["left"] else 1.0
        bright = mask_window(image[..., 0] > 100)
        found = tuple(Instance(label, bright, confidence, 0.5) for label in labels)
        return Segmentation(found, StageSeconds(1, 2, 3), missed=0.25)

    def learn(
        self,
        models: object,  # noqa: ARG002 - as the core's
        references: object,  # noqa: ARG002
        reviewed: Iterable[Reviewed],
        **_: object,
    ) -> Learned:
        """Learn nothing."""
        self.reviewed += reviewed
        return NOTHING
