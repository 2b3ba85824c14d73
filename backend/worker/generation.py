"""A generation: a reference set with its settings. It names every prediction made from it."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from backend.jobs.version import model_version
from backend.labelstudio.label_config import Control
from backend.labelstudio.outputs import (
    OutputOptions,
    SearchedImage,
    is_painted,
    possible_polygons,
    searched_images,
)
from backend.labelstudio.references import PickedReference
from backend.vision.learned import NOTHING, Learned
from backend.vision.pipeline import SearchOptions
from backend.vision.reference import Reference

_DIGEST_LENGTH = 10
_CACHED = 8  # generations of different projects that one process keeps ready


@dataclass(frozen=True, eq=False)
class Generation:
    """References that are ready to be used, and the version that predictions made from them carry.

    Attributes:
        project_id: the project's.
        model_version: of its predictions.
        label_config: of the project.
        controls: those of the label config that hold masks.
        picked: the annotations that teach it, the one shots first.
        references: what they teach.
        pictures: JPEG files of the references for the status page, by annotation id and label.
        learned: what reviewed annotations taught.
        evidence: ids of these annotations; none where they taught nothing.
    """

    project_id: int
    model_version: str
    label_config: str
    controls: tuple[Control, ...]
    picked: tuple[PickedReference, ...]
    references: tuple[Reference, ...]
    pictures: Mapping[tuple[int, str], bytes] = field(default_factory=dict)
    learned: Learned = NOTHING
    evidence: tuple[int, ...] = ()

    def images(self, wanted: str) -> tuple[SearchedImage, ...]:
        """Those of each task that are searched.

        Args:
            wanted: the control that predictions are to go through, by name or tag; empty: the reference's.
        """
        return searched_images(self.picked, self.controls, wanted)


class GenerationCache:
    """The generations that one process used last."""

    def __init__(self, size: int = _CACHED) -> None:
        self._size = size
        self._by_key: OrderedDict[tuple[int, str], Generation] = OrderedDict()

    def get(self, project_id: int, version: str) -> Generation | None:
        """Give the generation, if it is kept."""
        key = (project_id, version)
        if key in self._by_key:
            self._by_key.move_to_end(key)
        return self._by_key.get(key)

    def clear(self) -> None:
        """Forget all of them."""
        self._by_key.clear()

    def put(self, generation: Generation) -> None:
        """Keep *generation*, and drop the one that was not used for longest if there are too many."""
        key = (generation.project_id, generation.model_version)
        self._by_key[key] = generation
        self._by_key.move_to_end(key)
        if len(self._by_key) > self._size:
            self._by_key.popitem(last=False)


def generation_version(
    picked: Mapping[str, PickedReference],
    controls: Sequence[Control],
    *,
    checkpoint: str,
    semantics: str,
    search: SearchOptions,
    output: OutputOptions,
    evidence: Sequence[Any] = (),
    more: Sequence[PickedReference] = (),
) -> str:
    """Name the generation: another name whenever predictions could come out differently.

    Args:
        picked: the references by label.
        controls: those of the label config that hold masks.
        checkpoint: the SAM checkpoint's slug.
        semantics: the semantic encoder, as the settings name it.
        search: the settings that change masks.
        output: the settings that change regions.
        evidence: all that can change what was learned; empty where nothing was.
        more: further references, with a star.

    Returns:
        ``oneshot-<checkpoint>-<digest>``.
    """
    images = [
        {label: _output_content(label, image, controls, output) for label in image.controls}
        for image in searched_images(picked.values(), controls, output.control)
    ]
    content = {
        "controls": images[0] if len(images) == 1 else images,
        "output": asdict(output),
        "references": [_reference_content(label, picked[label]) for label in sorted(picked)],
        "search": asdict(search),
        "checkpoint": checkpoint,
        "semantics": semantics,
        **({"evidence": evidence} if evidence else {}),
        **({"more": [_reference_content(each.label, each) for each in more]} if more else {}),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return model_version(checkpoint, hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH])


def _output_content(
    label: str, image: SearchedImage, controls: Sequence[Control], output: OutputOptions
) -> list[Any]:
    """All controls that predictions of a label on an image may go through, whatever the task offers."""
    possible = image.possible(label)
    first, *further = (_control_content(each, label) for each in possible)
    may_become_polygons = output.beyond == "polygons" and any(map(is_painted, possible))
    polygons = possible_polygons(label, image.to_name, controls) if may_become_polygons else []
    beyond = [{"polygons": [_control_content(each, label) for each in polygons]}] if polygons else []
    return [*first, *further, *beyond]


def _control_content(control: Control, label: str) -> list[str]:
    content = [control.from_name, control.to_name, control.image_key, control.geometry, control.labels_name]
    content += ["list"] if control.image_list else []
    return content if label in control.labels else [*content, f"${control.labels_key}"]


def _reference_content(label: str, picked: PickedReference) -> list[Any]:
    masks = sorted(hashlib.sha256(np.packbits(mask).tobytes()).hexdigest() for mask in picked.masks)
    content = [label, picked.task_id, picked.annotation_id, picked.image_uri, list(picked.size_hw), masks]
    return [*content, list(picked.surrounding)] if any(picked.surrounding) else content
