"""What is measured: the pipeline and what it is compared with, on one embedding and with the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from backend.evaluation.exemplars import Exemplar
from backend.evaluation.oracle import in_true_boxes
from backend.evaluation.persam import persam, persam_f
from backend.evaluation.scene import Scene
from backend.vision.clock import StageSeconds
from backend.vision.guidance import GuidanceMode
from backend.vision.instance import Instance
from backend.vision.parts import Part
from backend.vision.pipeline import Models, SearchOptions, Segmentation, find_instances

Find = Callable[[Models, Scene, SearchOptions], Segmentation]
FindOne = Callable[[Models, Scene, str, Sequence[Exemplar], SearchOptions], Instance | None]

WHOLE = "pipeline"
WITHOUT = "without "  # and the part, names a method of an ablation


@dataclass(frozen=True)
class Method:
    """One way to find instances.

    Attributes:
        name: as the command and the report call it.
        find: models, what is shown and options to instances.
        competes: labels compete; a method that takes labels one by one is only asked for those of the image's
            group.
        guidance: how the target guides it, whatever the options say; None: as they say.
    """

    name: str
    find: Find
    competes: bool = False
    guidance: GuidanceMode | None = None

    def guided(self, asked: GuidanceMode | None) -> Method:
        """The same method with the guidance that was asked for, if any was."""
        return replace(self, guidance=asked or self.guidance)


def find_together(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:
    """The pipeline: all labels in one call."""
    return find_instances(models, scene.references, scene.image, options=options, embedding=scene.embedding)


def without(part: Part) -> Method:
    """The pipeline, one part less."""

    def find(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:
        return find_together(models, scene, one_less(options, part))

    return Method(f"{WITHOUT}{part}", find, competes=True)


def one_less(options: SearchOptions, part: Part) -> SearchOptions:
    """The same search without that part, too."""
    return replace(options, without=(*options.without, part))


def find_by_loop(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:
    """The report's loop with its own stop rule, label by label, without the semantic check."""
    unchecked = replace(options, search="loop", semantic_check=False)

    def instances() -> Iterable[Instance]:
        for exemplars in scene.by_label.values():
            references = [exemplar.reference for exemplar in exemplars]
            yield from find_instances(
                models, references, scene.image, options=unchecked, embedding=scene.embedding
            ).instances

    return timed(instances())


def one_a_label(find_one: FindOne) -> Find:
    """A method that finds one object for each label."""

    def find(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:
        found = (
            find_one(models, scene, label, exemplars, options) for label, exemplars in scene.by_label.items()
        )
        return timed(instance for instance in found if instance)

    return find


def find_in_true_boxes(models: Models, scene: Scene, options: SearchOptions) -> Segmentation:  # noqa: ARG001
    """SAM given the box of each true instance of the labels."""
    return timed(instance for label in scene.by_label for instance in in_true_boxes(models, scene, label))


def timed(instances: Iterable[Instance]) -> Segmentation:
    """Instances as they are found, all of it search; nothing is checked."""
    started = time.perf_counter()
    found = tuple(instances)
    return Segmentation(found, StageSeconds(encode=0.0, search=time.perf_counter() - started, check=0.0))


METHODS = {
    method.name: method
    for method in (
        Method(WHOLE, find_together, competes=True),
        Method("loop", find_by_loop),
        Method("persam", one_a_label(persam), guidance="exact"),
        Method("persam-f", one_a_label(persam_f)),
        Method("oracle-box", find_in_true_boxes),
    )
}
