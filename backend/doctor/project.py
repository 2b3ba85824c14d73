"""What a project gives the backend to work with: its label config, a reference, images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from redis import Redis

from backend.doctor.examination import Found, Notes, Trouble
from backend.jobs.addresses import Addresses
from backend.jobs.generations import Generations
from backend.jobs.queue import JobQueue
from backend.labelstudio.client import LabelStudio, Project
from backend.labelstudio.errors import (
    FetchRefusedError,
    ImageRefusedError,
    LabelConfigError,
    LabelStudioError,
    StorageFailedError,
)
from backend.labelstudio.fetch import ImageFetcher
from backend.labelstudio.label_config import Control, all_labels, image_controls, image_keys
from backend.labelstudio.references import Annotation, PickedReference, PickedReferences, pick_references
from backend.labelstudio.task_data import image_address, task_value
from backend.settings import Settings

IMAGES = 4
_MOST_OF_A_TASK = 16  # images
_MOST_TOLD = 3
_MOST_EXCLUDED = 10
_MOST_UNUSABLE = 20  # as the workers


@dataclass(frozen=True)
class Images:
    """Fetches and decodes images as the workers do; gives (height, width).

    Attributes:
        fetcher: gets them.
    """

    fetcher: ImageFetcher

    def size_hw(self, uri: str, task_id: int) -> tuple[int, int]:
        """Height and width of the image at *uri*.

        Raises:
            LabelStudioError: it cannot be had, or is no image that can be used.
        """
        return self.fetcher.image(uri, task_id=task_id).size_hw


def images_of(settings: Settings, authorise: Callable[[], str], redis: Found[Redis]) -> Images:
    """Build it from the settings that the workers have, and from what Label Studio told our web process."""
    from backend.worker.images import image_fetcher

    def told() -> str | None:
        return next((Addresses(each).label_studio() for each in redis.values), None)

    return Images(image_fetcher(settings, authorise, told))


def look_at_config(notes: Notes, project: Project, settings: Settings) -> tuple[Control, ...]:
    """Find the controls that hold masks, and the one among them that predictions are to go through."""
    try:
        controls = image_controls(project.label_config)
    except LabelConfigError as exc:
        raise Trouble(
            str(exc), "Settings, Labeling Interface, Code: change the config to one like label_config.xml"
        ) from exc
    for control in controls:
        labels = ", ".join(control.labels) or f"labels of {control.labels_key!r} in the tasks' data"
        notes.well(f"{control.geometry} {control.from_name!r} on {control.to_name!r}: {labels}")
    wanted = settings.oneshot_control
    if wanted and not any(control.is_named(wanted) for control in controls):
        known = ", ".join(dict.fromkeys(f"{each.from_name!r} ({each.tag})" for each in controls))
        notes.warn(
            f"ONESHOT_CONTROL has no effect: no control that holds masks has the name or tag {wanted!r}",
            f"set it to the name or tag of one of these, or to nothing: {known}",
        )
    return controls


@dataclass(frozen=True, eq=False)
class Corrections:
    """What people did beside the first masks.

    Attributes:
        reviews: corrected predictions that are learned from now.
        excluded: ids of annotations that are not to teach.
    """

    reviews: tuple[Annotation, ...] = ()
    excluded: frozenset[int] = frozenset()


def find_corrections(
    notes: Notes, settings: Settings, client: LabelStudio, project: Project, connection: Redis
) -> Corrections:
    """Find the corrected predictions that the workers learn from, and what people have excluded."""
    from backend.worker.evidence import gathered
    from backend.worker.learning_options import learning_options

    wishes = Generations(JobQueue(connection)).wishes(project.id)
    found = gathered(client.annotations(project.id), wishes, learning_options(settings))
    corrected = f"{found.reviewed} corrected task{'s' if found.reviewed != 1 else ''}"
    notes.well(
        f"{corrected}, {len(found.annotations)} of them learned from" if found.reviewed else "none yet"
    )
    if wishes.excluded:
        count = len(wishes.excluded)
        notes.well(
            f"{count} annotation{'s' if count != 1 else ''} excluded on the status page: "
            + ", ".join(map(str, sorted(wishes.excluded)[:_MOST_EXCLUDED]))
        )
    return Corrections(found.annotations, wishes.excluded)


def find_references(
    notes: Notes,
    client: LabelStudio,
    project: Project,
    controls: Sequence[Control],
    images: Images,
    corrections: Corrections,
    settings: Settings,
) -> list[PickedReferences]:
    """Find the references as the workers do, and see whether their images can be had and fit.

    Returns:
        What is picked at first, then without what cannot serve, and so on. The last is what a worker makes a
        generation of now; one that has made it before an image was lost goes on with an earlier one.
    """
    looked = _Looked(images)

    def pick() -> PickedReferences:
        return pick_references(
            client.annotations(project.id),
            controls,
            passed_over=corrections.excluded | set(looked.unusable),
            reviews=corrections.reviews,
            most_starred=settings.oneshot_max_references,
        )

    picks = [pick()]
    while len(looked.unusable) < _MOST_UNUSABLE and looked.has_unusable(picks[-1].everything):
        picks.append(pick())
    picked = picks[-1]
    looked.tell(notes, picked)
    for refusal in picked.refusals[:_MOST_TOLD] if picked.by_label else ():
        notes.warn(f"passed over: {refusal}", "paint it again, if it was meant as the reference")
    missing = [label for label in all_labels(controls) if label not in picked.by_label]
    if picked.by_label and missing:
        notes.warn(
            f"no reference of {', '.join(missing)}: nothing of that label is looked for",
            "paint one object of each label that is wanted",
        )
    if not picked.by_label and not looked.unusable:
        _tell_why_none(notes, client, project, controls, corrections, picked.reason)
    return picks


def _tell_why_none(
    notes: Notes,
    client: LabelStudio,
    project: Project,
    controls: Sequence[Control],
    corrections: Corrections,
    reason: str,
) -> None:
    """Say why no annotation can be a reference, or that there is none."""
    drawn_with = " or ".join(dict.fromkeys(repr(control.from_name) for control in controls))
    nobody = not list(islice(client.iter_annotated_tasks(project.id), 1))
    if corrections.excluded:
        notes.wrong(
            f"what could serve is excluded on the status page: {reason}",
            f"include it there again, or paint one object with {drawn_with}, and press Submit",
        )
    elif nobody:
        notes.warn("nobody has annotated a task yet", f"paint one object with {drawn_with}, Submit")
    else:
        notes.wrong(
            f"people annotated, but nothing that can serve: {reason}",
            f"paint one object with {drawn_with} on any image, and press Submit",
        )


@dataclass(frozen=True, eq=False)
class _Looked:
    """The references that were looked at.

    Attributes:
        images: fetches theirs.
        well: what there is to say of each that can serve, by annotation and label.
        unavailable: the same of those whose image cannot be had now; the workers wait for it.
        unusable: by annotation its label, what is wrong, and what to do: the workers pass it over.
    """

    images: Images
    well: dict[tuple[int, str], str] = field(default_factory=dict)
    unavailable: dict[tuple[int, str], str] = field(default_factory=dict)
    unusable: dict[int, tuple[str, str, str]] = field(default_factory=dict)

    def has_unusable(self, picked: Sequence[PickedReference]) -> bool:
        """Look at those of *picked* that were not looked at yet, and say whether one cannot serve."""
        for each in picked:
            if (each.annotation_id, each.label) not in self.well | self.unavailable:
                self._look_at(each)
        return any(each.annotation_id in self.unusable for each in picked)

    def _look_at(self, reference: PickedReference) -> None:
        name = (reference.annotation_id, reference.label)
        where = f"{reference.label}: annotation {reference.annotation_id} of task {reference.task_id}"
        try:
            size_hw = self.images.size_hw(reference.image_uri, reference.task_id)
        except (FetchRefusedError, ImageRefusedError, StorageFailedError) as exc:
            what = f"{where}: its image cannot be used: {exc}"
            to_do = "repair that image, or paint a mask on another one"
            self.unusable[reference.annotation_id] = (reference.label, what, to_do)
            return
        except LabelStudioError as exc:
            self.unavailable[name] = f"{where}: its image cannot be had now: {exc}"
            return
        if size_hw != reference.size_hw:
            what = f"{where}: its mask is of (height, width) {reference.size_hw}, its image of {size_hw}"
            to_do = "delete the annotation and paint it again: the image was changed since"
            self.unusable[reference.annotation_id] = (reference.label, what, to_do)
            return
        count = len(reference.masks)
        self.well[name] = f"{where}, {count} region{'s' if count > 1 else ''}"

    def tell(self, notes: Notes, picked: PickedReferences) -> None:
        """Say of each what was found; one that cannot serve is wrong where its label has no other."""
        for label, what, to_do in self.unusable.values():
            if label in picked.by_label:
                notes.warn(f"passed over: {what}", to_do)
            else:
                notes.wrong(what, to_do)
        for each in picked.everything:
            name = (each.annotation_id, each.label)
            if name in self.unavailable:
                notes.wrong(
                    self.unavailable[name], "try again in a while; if it stays so, see that image's server"
                )
            elif name in self.well:
                notes.well(self.well[name])


def look_at_images(
    notes: Notes, client: LabelStudio, project: Project, controls: Sequence[Control], images: Images
) -> None:
    """Read some images: the first ones."""
    page = client.task_page(project.id, limit=IMAGES)
    if not page.tasks:
        notes.wrong("the project has no tasks", "import images")
        return
    troubles = [
        f"task {task.id}: {trouble}"
        for task in page.tasks
        if (trouble := _trouble(task.id, task.data, controls, images))
    ]
    count, total = len(page.tasks), len(page.tasks) + page.left
    if not troubles:
        notes.well(f"{count} of {total} read")
    elif len(troubles) == count:
        notes.wrong(
            f"none of the first {count} of {total} can be read: {troubles[0]}",
            "make the addresses in the tasks' data ones that Label Studio or the workers reach",
        )
    else:
        told = "; ".join(troubles[:_MOST_TOLD])
        notes.warn(
            f"{len(troubles)} of the first {count} of {total} cannot be read: {told}",
            "repair these images or delete their tasks: the others are predicted all the same",
        )


def _trouble(
    task_id: int, data: Mapping[str, Any], controls: Sequence[Control], images: Images
) -> str | None:
    """What is wrong with the first of the task's images that cannot be read, or with the lack of all.

    Of many images the first ones are looked at.
    """
    keys = image_keys(controls, data)[:_MOST_OF_A_TASK]
    filled = [key for key in keys if task_value(data, key)]
    if not filled and len(keys) > 1:
        return f"no image's address under {' or '.join(map(repr, keys))} in its data"
    for key in filled or keys:
        which = f"{key!r}: " if len(keys) > 1 else ""
        try:
            images.size_hw(image_address(data, key), task_id)
        except LabelStudioError as exc:
            return f"{which}{exc}"
    return None
