"""Episodes: what is annotated once, and where everything like it must then be found.

One episode per (group, class): the reference is the instance of median area (areas ascending, index n // 2,
instances under 64 px left out) in the first image by name that holds the class; every later image of the
group with the class is a test image. A group that bears the name of one of its classes has the episode of
that class only.

With more references, each of the first images that hold the class gives its median instance. The images held
out are never tested; holding out as many for one reference as for three, both are judged on the same images.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backend.evaluation.datasets import Dataset, LabelledImage
from backend.evaluation.errors import DatasetError

MIN_REFERENCE_AREA = 64

Labels = Literal["solo", "all"]


@dataclass(frozen=True)
class Shares:
    """How the images that hold a class are shared out; an episode keeps at least one of them as a test.

    Attributes:
        references: at most that many of the first ones give a reference each.
        hold_out: that many of the first ones are no test images; at least as many as references.
        limit: at most that many test images, and as many absences, per episode.
    """

    references: int = 1
    hold_out: int = 1
    limit: int | None = None


@dataclass(frozen=True, eq=False)
class ReferenceMask:
    """One annotated instance.

    Attributes:
        image: the image that holds it.
        instance_id: its id there.
    """

    image: LabelledImage
    instance_id: int

    def mask(self, label: str) -> NDArray[np.bool_]:
        """Its pixels, (H, W) bool."""
        return self.image.masks(label)[self.instance_id]


@dataclass(frozen=True, eq=False)
class Episode:
    """The references of one class, and the images they are judged on.

    Attributes:
        group: group of all images in it.
        label: the class.
        references: one mask per reference image.
        tests: images that hold the class.
        absences: images of the group that hold none of it: whatever is found there is false.
    """

    group: str
    label: str
    references: tuple[ReferenceMask, ...]
    tests: tuple[LabelledImage, ...]
    absences: tuple[LabelledImage, ...]

    @property
    def key(self) -> tuple[str, str]:
        """(group, class)."""
        return self.group, self.label


@dataclass(frozen=True, eq=False)
class Search:
    """One image to be searched, with the references that compete on it.

    Attributes:
        image: the test image.
        episodes: those whose references take part, one per label.
        judged: those of them that the image is judged for: it is one of their test images, or holds none
            of their class.
    """

    image: LabelledImage
    episodes: tuple[Episode, ...]
    judged: tuple[Episode, ...]


def episodes(dataset: Dataset, *, shares: Shares = Shares()) -> tuple[Episode, ...]:
    """Every episode of the data set, by group and class.

    Args:
        dataset: where to take them from.
        shares: how many images are references, how many are held out, how many are tested.

    Raises:
        DatasetError: there is none.
    """
    groups: dict[str, list[LabelledImage]] = {}
    for image in dataset.images:
        groups.setdefault(image.group, []).append(image)
    found = [
        episode
        for group, images in sorted(groups.items())
        for label in _labels(group, images)
        if (episode := _episode(group, label, images, shares, own_test=dataset.tests_reference_image))
    ]
    if not found:
        raise DatasetError(
            f"{dataset.name}: no class is in two images of a group: there is nothing to test on"
        )
    return tuple(found)


def _labels(group: str, images: list[LabelledImage]) -> list[str]:
    """The classes of a group that have an episode in it."""
    labels = sorted({label for image in images for label in image.classes.values()})
    return [group] if group in labels else labels


def _episode(
    group: str, label: str, images: list[LabelledImage], shares: Shares, *, own_test: bool
) -> Episode | None:
    """The episode of one class; None without a test image or a reference in the first image."""
    holding = [image for image in images if image.holds(label)]
    spare = max(1, len(holding) - 1)  # one image is left to be tested
    tests = holding if own_test else holding[min(shares.hold_out, spare) :]
    references = _reference_masks(holding[: min(shares.references, spare)], label)
    if not tests or not references:
        return None
    absences = [image for image in images if not image.holds(label)]
    limit = shares.limit
    return Episode(group, label, references, tuple(tests[:limit]), tuple(absences[:limit]))


def _reference_masks(images: list[LabelledImage], label: str) -> tuple[ReferenceMask, ...]:
    """The median instance of each image that has one; none if the first has none."""
    found = [(image, median_instance(image, label)) for image in images]
    if found[0][1] is None:
        return ()
    return tuple(ReferenceMask(image, number) for image, number in found if number is not None)


def median_instance(image: LabelledImage, label: str) -> int | None:
    """Id of the instance of median area: what an annotator would take as typical. None if all are tiny."""
    areas = [(int(mask.sum()), number) for number, mask in image.masks(label).items()]
    usable = sorted(area for area in areas if area[0] >= MIN_REFERENCE_AREA)
    return usable[len(usable) // 2][1] if usable else None


def searches(found: tuple[Episode, ...], *, labels: Labels) -> tuple[Search, ...]:
    """What has to be searched to judge all episodes, by image name.

    With ``all``, one reference of every label of the data set competes on each image: that of the image's
    own group, else of the first group that has the label. With ``solo``, an image is searched for one label
    at a time.
    """
    if labels == "solo":
        plan = [
            Search(image, (episode,), (episode,))
            for episode in found
            for image in (*episode.tests, *episode.absences)
        ]
    else:
        images = {image.name: image for episode in found for image in (*episode.tests, *episode.absences)}
        plan = [_competition(image, found) for image in images.values()]
    return tuple(sorted(plan, key=lambda search: search.image.name))


def _competition(image: LabelledImage, found: tuple[Episode, ...]) -> Search:
    """One search for all labels; judged: those whose episode tests the image or that it lacks."""
    chosen: dict[str, Episode] = {}
    for episode in sorted(found, key=lambda episode: episode.group != image.group):
        chosen.setdefault(episode.label, episode)
    competing = tuple(chosen[label] for label in sorted(chosen))
    judged = tuple(
        episode for episode in competing if image in episode.tests or not image.holds(episode.label)
    )
    return Search(image, competing, judged)
